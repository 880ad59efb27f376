"""Where a reader is: the forms of `[[reader]] url`, and of `listen`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORTS = range(1, 65_536)
_BAUDS = range(50, 4_000_001)
_DEBOUNCE_MS = range(10_001)
_LINES = range(1024)
PULLS: Final = ("as-is", "up", "down", "off")
FORMS = (
    "tcp://HOST:PORT, tls://HOST:PORT, http://HOST/PATH, https://HOST/PATH, "
    "tcp-listen://ADDRESS:PORT or http-listen://ADDRESS:PORT/PATH (the reader connects to us), "
    "serial:///dev/serial/by-id/NAME?baud=9600, mqtt://HOST:PORT/TOPIC, mqtts://HOST:PORT/TOPIC, "
    "file:///PATH or gpio://gpiochip0/LINE,LINE"
)


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """We connect to the reader."""

    host: str
    port: int
    tls: bool = False
    target: str = ""
    """Path and query for HTTP, as written; empty without HTTP."""


@dataclass(frozen=True, slots=True)
class ListenEndpoint:
    """The reader connects to us."""

    host: str
    port: int
    http: bool = False
    """Each request may come on a connection of its own."""
    target: str = ""
    """The path that is posted to, as written; empty: any."""


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial port of this box."""

    path: str
    baud: int | None
    """None: the rate of the driver's `SerialLink`."""


@dataclass(frozen=True, slots=True)
class MqttEndpoint:
    """A broker that the reader publishes to."""

    host: str
    port: int
    tls: bool
    topic: str
    """The topic filter; empty: the driver's own."""


@dataclass(frozen=True, slots=True)
class FileEndpoint:
    """A growing file, or a folder of them."""

    path: str
    folder: bool
    """Said by a slash at the end; a path that turns out to be a folder is one anyway."""


@dataclass(frozen=True, slots=True)
class GpioEndpoint:
    """Input lines of this box."""

    chip: str
    """Name under /dev."""
    lines: tuple[int, ...]
    debounce_ms: int = 0
    """Changes shorter than this are not reported; 0: every edge is."""
    pull: str = "as-is"
    """The resistor inside the chip, one of `PULLS`."""


Endpoint = (
    TcpEndpoint | ListenEndpoint | SerialEndpoint | MqttEndpoint | FileEndpoint | GpioEndpoint
)


def endpoint_of(url: str) -> Endpoint:
    """Return what a reader's URL means.

    Raises:
        ValueError: It has none of the allowed forms; the text says which there are.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError as error:
        raise ValueError(f"is not a URL ({error}); allowed: {FORMS}") from error
    form = _PARSERS.get(parts.scheme)
    if form is None:
        raise ValueError(f"must be {FORMS}")
    return form(parts, url)


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


def _address(parts: SplitResult, usual_port: int | None = None, rest: str = "") -> tuple[str, int]:
    port = parts.port if parts.port is not None else usual_port
    if not parts.hostname or port is None or port not in _PORTS:
        raise ValueError(
            f"needs a host and a port from 1 to 65535: {parts.scheme}://HOST:PORT{rest}"
        )
    if parts.username is not None:
        raise ValueError(
            f"must not hold a user or password: {parts.scheme}://HOST:PORT{rest}; "
            "a reader's password is a secret"
        )
    return parts.hostname, port


def _bare(parts: SplitResult) -> tuple[str, int]:
    address = _address(parts)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"has more than a host and a port: {parts.scheme}://HOST:PORT")
    return address


def _tcp(parts: SplitResult, _url: str) -> TcpEndpoint:
    return TcpEndpoint(*_bare(parts), tls=parts.scheme == "tls")


def _listen(parts: SplitResult, _url: str) -> ListenEndpoint:
    return ListenEndpoint(*_bare(parts))


def _http(parts: SplitResult, _url: str) -> TcpEndpoint:
    secure = parts.scheme == "https"
    host, port = _address(parts, 443 if secure else 80, "/PATH")
    return TcpEndpoint(host, port, secure, _target(parts) or "/")


def _http_listen(parts: SplitResult, _url: str) -> ListenEndpoint:
    host, port = _address(parts, None, "/PATH")
    return ListenEndpoint(host, port, http=True, target=_target(parts).removesuffix("/"))


def _target(parts: SplitResult) -> str:
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.fragment or not re.fullmatch(r"[!-~]*", target):
        raise ValueError(
            "has a path that cannot be sent: no '#', no spaces; write others as %23, %20"
        )
    return target


def _mqtt(parts: SplitResult, url: str) -> MqttEndpoint:
    secure = parts.scheme == "mqtts"
    host, port = _address(parts, 8883 if secure else 1883, "/TOPIC")
    # A topic filter may hold what means something else in a URL: readers/+/#
    topic = unquote(url.partition("://")[2].partition("/")[2])
    levels = topic.split("/")
    wild = any(level != "+" and "+" in level for level in levels)
    if wild or "#" in "/".join(levels[:-1]) or (levels[-1] != "#" and "#" in levels[-1]):
        raise ValueError(f"has a topic filter no broker takes: {topic!r}; + and # stand alone")
    return MqttEndpoint(host, port, secure, topic)


def _serial(parts: SplitResult, _url: str) -> SerialEndpoint:
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/" or parts.fragment:
        raise ValueError("needs three slashes and a device: serial:///dev/serial/by-id/NAME")
    if unknown := sorted(set(query) - {"baud"}):
        raise ValueError(f"has an unknown setting {unknown[0]!r}; there is only ?baud=")
    if "baud" not in query:
        return SerialEndpoint(unquote(parts.path), None)
    return SerialEndpoint(unquote(parts.path), _figures(query["baud"][-1], _BAUDS, "?baud=9600"))


def _figures(text: str, allowed: range, example: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) in allowed):
        what = "a baud rate" if "baud" in example else "a number"
        raise ValueError(f"needs {what} in figures, for example {example}")
    return int(text)


def _file(parts: SplitResult, url: str) -> FileEndpoint:
    path = unquote(url.partition("://")[2])  # a file's name may hold ? and #
    if not path.startswith("/") or not path.strip("/") or "\0" in path:
        raise ValueError(f"needs three slashes and a path: {parts.scheme}:///var/log/reads.csv")
    folder = path.endswith("/")
    return FileEndpoint(path.rstrip("/"), folder)


def _gpio(parts: SplitResult, _url: str) -> GpioEndpoint:
    numbers = parts.path.strip("/").split(",")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", parts.netloc) or parts.fragment:
        raise ValueError("needs a chip and its lines: gpio://gpiochip0/17,27")
    lines = tuple(_figures(number, _LINES, "gpio://gpiochip0/17,27") for number in numbers)
    if len(set(lines)) != len(lines):
        raise ValueError("names a line twice")
    query = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(query) - {"debounce_ms", "pull"}):
        raise ValueError(f"has an unknown setting {unknown[0]!r}; there are ?debounce_ms=&pull=")
    debounce = _figures(query.get("debounce_ms", ["0"])[-1], _DEBOUNCE_MS, "?debounce_ms=10")
    pull = query.get("pull", [PULLS[0]])[-1]
    if pull not in PULLS:
        raise ValueError(f"has an unknown pull {pull!r}; there are: {', '.join(PULLS)}")
    return GpioEndpoint(parts.netloc, lines, debounce, pull)


_PARSERS: Mapping[str, Callable[[SplitResult, str], Endpoint]] = MappingProxyType(
    {
        "tcp": _tcp,
        "tls": _tcp,
        "tcp-listen": _listen,
        "http": _http,
        "https": _http,
        "http-listen": _http_listen,
        "serial": _serial,
        "mqtt": _mqtt,
        "mqtts": _mqtt,
        "file": _file,
        "gpio": _gpio,
    }
)
