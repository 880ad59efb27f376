"""The command channel of an emulated Alien reader: login, settings, list of tags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from bridge.driver_api import MAIN, Chip, Out, Sighting
from drivers.alien import tags
from drivers.framing import LineBuffer

PORT: Final = 23
_MAX_LINE: Final = 512
_END: Final = b"\r\n\0"
_NOT_UNDERSTOOD: Final = "Error 1: Command not understood."
_INVALID: Final = "Error 4: Invalid use of command."
_CHANGE: Final = re.compile(r"(?:set +)?([A-Za-z0-9]+) *= *(.*)", re.IGNORECASE)
_QUESTION: Final = re.compile(r"([A-Za-z0-9]+) *\?|get +([A-Za-z0-9]+)", re.IGNORECASE)
_MILLIS: Final = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]{3}")
_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ReaderType": "Alien RFID Tag Reader, emulated",
        "ReaderVersion": "17.11.13.00",
        "MACAddress": "00:1B:5F:00:00:00",
        "CommandPort": "23",
        "Function": "Reader",
        "TagListMillis": "ON",
        "TagType": "16",
        "PersistTime": "-1",
        "AcquireMode": "Inventory",
        "AntennaSequence": "0 1 2 3",
        "RFModulation": "STD",
        "RFAttenuation": "0",
        "NotifyMode": "OFF",
        "NotifyAddress": "",
        "NotifyFormat": "XML",
        "NotifyHeader": "ON",
        "NotifyTrigger": "Add",
        "NotifyInclude": "Tags",
        "NotifyKeepAliveTime": "30",
        "NotifyQueueLimit": "1000",
        "NotifyRetryPause": "10",
        "NotifyRetryCount": "-1",
        "TagStreamMode": "OFF",
        "TagStreamAddress": "",
        "TagStreamFormat": "Text",
        "TagStreamCustomFormat": "",
        "TagStreamKeepAliveTime": "1800",
        "NetworkTimeout": "90",
        "HeartbeatTime": "30",
        "TimeZone": "0",
    }
)
_PLAIN: Final[Mapping[str, str]] = MappingProxyType(
    {"automodereset": "All auto-mode settings have been reset!", "save": "All settings saved!"}
)


@dataclass(slots=True)
class _Seen:
    """One entry of the list of tags."""

    first: Sighting
    last: Sighting
    count: int = 1


@dataclass(slots=True)
class _Client:
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(_MAX_LINE))
    user: str | None = None
    is_in: bool = False


class CommandReader:
    """A reader in autonomous mode whose list keeps each tag until it is asked for."""

    piece: tuple[int, int] | None = None

    def __init__(
        self, *, form: str, name: str, user: str, password: str,
        auto_mode: bool, prompts: bool,
    ) -> None:  # fmt: skip
        self.channels: Mapping[str, int] = {MAIN: PORT}
        self._login = (user, password)
        self._prompts = prompts
        auto = "ON" if auto_mode else "OFF"
        mine = {"ReaderName": name, "AutoMode": auto, "TagListFormat": form.capitalize()}
        self._settings = {**_SETTINGS, **mine}
        self._tags: dict[Chip, _Seen] = {}
        self._clients: dict[int, _Client] = {}
        self._now_ns = self._shift_ns = 0

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Greet and ask who it is."""
        self._clients[client] = _Client()
        self._now_ns = now_ns
        name = self._settings["ReaderName"]
        return [Out(f"{'*' * 40}\r\n* {name}\r\n{'*' * 40}\r\n\r\nUsername>\0".encode(), client)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer line by line."""
        self._now_ns = now_ns
        state = self._clients.get(client)
        if state is None:
            return []
        outs: list[Out] = []
        for raw in state.lines.feed(data):
            text = raw.decode("latin-1").strip("\r\n")
            out = self._obey(client, text) if state.is_in else self._let_in(client, state, text)
            outs.append(out)
            if out.close:
                break
        return outs

    def disconnected(self, client: int) -> None:
        """Go on reading."""
        self._clients.pop(client, None)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Put the tag on the list, if the reader reads."""
        if self._settings["AutoMode"] != "ON":
            return []
        sighting = replace(sighting, stamp=sighting.stamp + self._shift_ns)
        seen = self._tags.get(sighting.chip)
        if seen is None:
            self._tags[sighting.chip] = _Seen(sighting, sighting)
        else:
            seen.last, seen.count = sighting, seen.count + 1
        return []

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Do nothing: nobody describes what its inputs are told as."""
        return []

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Let time pass."""
        self._now_ns = now_ns
        return []

    def _let_in(self, client: int, state: _Client, text: str) -> Out:
        if state.user is None:
            state.user = text
            return Out(b"Password>\0", client)
        if (state.user, text) != self._login:
            return Out(b"Error: Invalid Username and/or Password" + _END, client, close=True)
        state.is_in = True
        return Out(b"\r\nAlien>\0", client)

    def _obey(self, client: int, text: str) -> Out:
        is_program = text.startswith("\x01")
        command = text.lstrip("\x01").strip()
        answer = self._answer(command).encode("latin-1", "replace")
        is_over = command.lower() == "quit"
        if is_program and not self._prompts:
            return Out(answer + _END, client, close=is_over)
        echo = text.encode("latin-1") + b"\r\n"
        return Out(echo + answer + b"\r\n\r\nAlien>\0", client, close=is_over)

    def _answer(self, command: str) -> str:
        word = command.lower()
        if not word:
            return ""
        if word == "quit":
            return "Goodbye!"
        if word == "clear taglist":
            self._tags.clear()
            return "Tag List has been cleared!"
        if word in _PLAIN:
            return _PLAIN[word]
        change = _CHANGE.fullmatch(command)
        if change:
            return self._set(*change.groups())
        question = _QUESTION.fullmatch(command)
        return self._get(question[1] or question[2]) if question else _NOT_UNDERSTOOD

    def _get(self, name: str) -> str:
        match name.lower():
            case "taglist":
                return self._list()
            case "time":
                return f"Time = {tags.print_moment(self._now_ns + self._shift_ns)}"
            case _:
                known = self._known(name)
                return f"{known} = {self._settings[known]}" if known else _NOT_UNDERSTOOD

    def _set(self, name: str, value: str) -> str:
        if name.lower() == "time":
            return self._set_time(value)
        known = self._known(name)
        if known is None:
            return _NOT_UNDERSTOOD
        if not value:
            return _INVALID
        self._settings[known] = value.upper() if value.lower() in ("on", "off") else value
        return f"{known} = {self._settings[known]}"

    def _set_time(self, value: str) -> str:
        date, _, clock = value.partition(" ")
        try:
            stamp = tags.Reader(first=False).stamp_of(date, clock)
        except ValueError:
            return _INVALID
        self._shift_ns = stamp - self._now_ns
        return self._get("time")

    def _known(self, name: str) -> str | None:
        return next((known for known in self._settings if known.lower() == name.lower()), None)

    def _list(self) -> str:
        seen, self._tags = list(self._tags.values()), {}
        printer = tags.PRINTERS.get(self._settings["TagListFormat"].lower(), tags.print_text)
        lines = b"".join(
            printer(one.last, first=one.first.stamp, count=one.count) for one in seen
        ).decode()
        if self._settings["TagListMillis"] == "OFF":
            lines = _MILLIS.sub(r"\1", lines)
        return lines.removesuffix("\r\n") or "(No Tags)"
