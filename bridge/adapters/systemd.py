"""Tell systemd how the service is (sd_notify(3)); does nothing where systemd did not start us."""

import contextlib
import os
import socket
from collections.abc import Mapping

_US_PER_S = 1_000_000


class Notifier:
    """Speaks to the socket in ``$NOTIFY_SOCKET``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval_s = _watchdog_s(environ)

    @property
    def watchdog_s(self) -> float | None:
        """Seconds between two calls of `watchdog`, half of what systemd allows; None: not asked."""
        return self._interval_s

    def ready(self) -> None:
        """Say that start-up is finished."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Say that we are not hung."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that we are going down on purpose."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send("STATUS=" + " ".join(text.split()))

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link,
            contextlib.suppress(OSError),  # a deaf systemd must not stop a race
        ):
            link.sendto(message.encode(), self._address)


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    meant_for = environ.get("WATCHDOG_PID", str(os.getpid()))
    allowed_us = environ.get("WATCHDOG_USEC", "")
    if meant_for != str(os.getpid()) or not allowed_us.isdecimal() or int(allowed_us) == 0:
        return None
    return int(allowed_us) / _US_PER_S / 2
