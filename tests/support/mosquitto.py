"""A real mosquitto on a free port, to be stopped, frozen and started again."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "/usr/sbin/mosquitto"
OPEN = "allow_anonymous true\nmax_queued_messages 0\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Mosquitto:
    """One broker process; nothing it knows survives `stop` unless the settings say so."""

    def __init__(self, folder: Path, settings: str = OPEN, listener: str = "") -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        head = f"listener {self.port} 127.0.0.1\n{listener}\n"
        self._file.write_text(f"{head}{settings}\nuser root\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._file), "-v"], stdout=log, stderr=log
            )
        end = time.perf_counter() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, self.log
                assert time.perf_counter() < end, self.log
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def mosquitto(folder: Path, settings: str = OPEN, listener: str = "") -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, settings, listener)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
