"""Run a command line in this process: nothing to start, so a second of each call is saved."""

import io
import logging
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import structlog

from bridge.cli.main import run


def called(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run one command line as `chip_bridge` does; not inside a running event loop."""
    out, err = _Text(), _Text()
    with _own_logging(), redirect_stdout(out), redirect_stderr(err):
        code = run([str(word) for word in arguments])
    return subprocess.CompletedProcess(arguments, code, out.got(), err.got())


class _Text(io.TextIOWrapper):
    """A stream that bytes and text can be written to, as the real ones."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def got(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@contextmanager
def _own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    before: Mapping[str, object] = structlog.get_config()
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        structlog.configure(**before)  # type: ignore[arg-type]
