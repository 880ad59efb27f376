"""An Alien reader made of software: one that delivers tags, or one that is asked for them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bridge.driver_api import MAIN, Chip, Emulator, Out, Sighting
from drivers.alien import tags
from drivers.alien.commands import CommandReader
from drivers.alien.options import PASSWORD, USER
from drivers.module_emulator import choice, only, switch

STREAM_PORT: Final = 4000
MODES: Final = ("stream", "notify", "command")
_Printer = Callable[..., bytes]
NAME: Final = "Alien RFID Reader"
_KNOWN: Final = (
    "mode", "format", "header", "per_message", "name", "user", "password", "auto_mode", "prompts",
)  # fmt: skip
_QUEUE: Final = 1_000
"""Messages a reader keeps for a host that is away: the most that can be set."""


class TagSender:
    """TagStream or Notify: it connects to the host and sends what it sees.

    A stream is lost while nobody takes it; notifications wait, up to a thousand of them.
    """

    piece: tuple[int, int] | None = None

    def __init__(
        self, *, notifies: bool, printer: _Printer, name: str, header: bool, per_message: bool
    ) -> None:
        self.channels: Mapping[str, int] = {MAIN: STREAM_PORT}
        self._notifies = notifies
        self._printer = printer
        self._name = name
        self._header = header
        self._per_message = per_message
        self._queue: deque[bytes] = deque(maxlen=_QUEUE)
        self._client: int | None = None
        self._now_ns = 0
        self._first: dict[Chip, Sighting] = {}
        self._count: dict[Chip, int] = {}

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Send the header of a stream, or what has waited."""
        self._client = client
        self._now_ns = now_ns
        if self._notifies:
            return self._flush()
        return [Out(self._stream_header(), client)] if self._header else []

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Ignore it: data connections go one way."""
        return []

    def disconnected(self, client: int) -> None:
        """Keep notifications; a stream keeps nothing."""
        if client == self._client:
            self._client = None

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send the tag with when it was first seen, and how often."""
        first = self._first.setdefault(sighting.chip, sighting)
        count = self._count[sighting.chip] = self._count.get(sighting.chip, 0) + 1
        tag = self._printer(sighting, first=first.stamp, count=count)
        if not self._notifies:
            return [Out(tag, self._client)] if self._client is not None else []
        self._queue.append(self._message(tag, sighting.stamp))
        return self._flush()

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: nobody describes what its inputs are told as."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Go on with what has waited."""
        self._now_ns = now_ns
        return self._flush()

    def _flush(self) -> list[Out]:
        outs = []
        while self._queue and self._client is not None:
            client = self._client
            if self._per_message:
                self._client = None
            outs.append(Out(self._queue.popleft(), client, close=self._per_message))
        return outs

    def _stream_header(self) -> bytes:
        lines = (
            f"#ReaderName: {self._name}",
            "#Hostname: alr-emulated",
            "#IPAddress: 127.0.0.1",
            "#CommandPort: 23",
            "#MACAddress: 00:1B:5F:00:00:00",
            f"#Time: {tags.print_moment(self._now_ns)}",
            "",
        )
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _message(self, tag: bytes, stamp: int) -> bytes:
        when = tags.print_moment(stamp)
        facts = (
            ("ReaderName", self._name),
            ("ReaderType", "Alien RFID Tag Reader"),
            ("IPAddress", "127.0.0.1"),
            ("CommandPort", "23"),
            ("Time", when),
            ("Reason", "TAGS ADDED"),
        )
        if self._printer is tags.print_xml:
            lines = "".join(f"  <{name}>{value}</{name}>\r\n" for name, value in facts)
            root = "Alien-RFID-Reader-Auto-Notification"
            text = f"<{root}>\r\n{lines}<Alien-RFID-Tag-List>\r\n".encode()
            return text + tag + f"</Alien-RFID-Tag-List>\r\n</{root}>\r\n\0".encode()
        head = "#Alien RFID Reader Auto Notification Message\r\n"
        head += "".join(f"#{name}: {value}\r\n" for name, value in facts)
        return head.encode() + tag + b"#End of Notification Message\r\n\0"


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator.

    Options: `mode` (stream, notify, command), `format` (custom, text, xml, terse), `header` of a
    stream, `per_message` (a new connection for each notification), `name`, and for the command
    channel `user`, `password`, `auto_mode`, `prompts` (echo and prompt even where not wanted).

    Raises:
        ValueError: Something is unknown or cannot be; the text says what is allowed.
    """
    only(options, _KNOWN)
    mode = choice(options, "mode", MODES, "stream")
    form = choice(options, "format", list(tags.PRINTERS), "text" if mode == "command" else "custom")
    name, user, password = (
        _text(options, key, default)
        for key, default in (("name", NAME), ("user", USER), ("password", PASSWORD))
    )
    auto_mode, header = (switch(options, key, default=True) for key in ("auto_mode", "header"))
    prompts, per_message = (
        switch(options, key, default=False) for key in ("prompts", "per_message")
    )
    if mode == "command":
        return CommandReader(
            form=form,
            name=name,
            user=user,
            password=password,
            auto_mode=auto_mode,
            prompts=prompts,
        )
    return TagSender(
        notifies=mode == "notify",
        printer=tags.PRINTERS[form],
        name=name,
        header=header,
        per_message=per_message,
    )


def _text(options: Mapping[str, object], name: str, default: str) -> str:
    value = options.get(name, default)
    if not isinstance(value, str) or not (value.isascii() and value.isprintable() and value):
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: printable ASCII text")
    return value
