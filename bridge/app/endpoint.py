"""Where a reader is: the forms of `[[reader]] url`, and of `listen`."""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORTS = range(1, 65_536)
_BAUDS = range(50, 4_000_001)
_FORMS = (
    "tcp://HOST:PORT, tcp-listen://ADDRESS:PORT (the reader connects to us) "
    "or serial:///dev/serial/by-id/NAME?baud=9600"
)


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """We connect to the reader."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ListenEndpoint:
    """The reader connects to us."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial port of this box."""

    path: str
    baud: int | None
    """None: the rate of the driver's `SerialLink`."""


Endpoint = TcpEndpoint | ListenEndpoint | SerialEndpoint


def endpoint_of(url: str) -> Endpoint:
    """Return what a reader's URL means.

    Raises:
        ValueError: It has none of the allowed forms; the text says which there are.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL ({error}); allowed: {_FORMS}") from error
    if parts.scheme == "serial":
        return _serial(parts)
    if parts.scheme not in ("tcp", "tcp-listen"):
        raise ValueError(f"must be {_FORMS}")
    if not parts.hostname or port is None or port not in _PORTS:
        raise ValueError(f"needs a host and a port from 1 to 65535: {parts.scheme}://HOST:PORT")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"has more than a host and a port: {parts.scheme}://HOST:PORT")
    kind = TcpEndpoint if parts.scheme == "tcp" else ListenEndpoint
    return kind(parts.hostname, port)


def listen_of(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[IPv6]:PORT``.

    Raises:
        ValueError: It has not that form.
    """
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError as error:
        raise ValueError(f"must be ADDRESS:PORT, for example 127.0.0.1:8080 ({error})") from error
    rest = parts.path or parts.query or parts.fragment or parts.username
    if rest or not parts.hostname or port is None:
        raise ValueError("must be ADDRESS:PORT, for example 127.0.0.1:8080")
    return parts.hostname, port


def _serial(parts: SplitResult) -> SerialEndpoint:
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/" or parts.fragment:
        raise ValueError("needs three slashes and a device: serial:///dev/serial/by-id/NAME")
    if unknown := sorted(set(query) - {"baud"}):
        raise ValueError(f"has an unknown setting {unknown[0]!r}; there is only ?baud=")
    if "baud" not in query:
        return SerialEndpoint(unquote(parts.path), None)
    baud = query["baud"][-1]
    if not (baud.isascii() and baud.isdecimal() and int(baud) in _BAUDS):
        raise ValueError("needs a baud rate in figures, for example ?baud=9600")
    return SerialEndpoint(unquote(parts.path), int(baud))
