r"""The talk on an Alien reader's command channel: log in, then ask for its list of tags.

One question, one answer. Each begins with byte 01, which asks for an answer without echo and
prompt. Asked for are the list, the time and a few settings; nothing is ever set. The list of a
reader whose ``PersistTime`` is -1 (the usual one with such clients) holds each tag until it is
asked for, so nothing is lost while the link is down, and the next question goes out only when the
tags of the last answer are on disk.
"""

from collections import deque
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Event, Hangup, Send

DEAD_NS: Final = 8 * NS_PER_S
PATIENCE_NS: Final = 3 * NS_PER_S
CLOCK_NS: Final = 10 * NS_PER_S
_USER_PROMPT: Final = "Username>"
_PASSWORD_PROMPT: Final = "Password>"  # noqa: S105 - what the reader prints
PROMPTS: Final = (_USER_PROMPT, _PASSWORD_PROMPT, "Alien>")
_WRONG: Final = "Error: Invalid Username"
_LIST: Final = "TagList"
_TIME: Final = "Time"
_ONCE: Final = ("ReaderName", "ReaderVersion", "TagListMillis")
_AGAIN: Final = (_TIME, "AutoMode")


class Talk:
    """One connection that we have made to the command channel; silent until it prompts."""

    def __init__(self, user: str, password: str, *, takes: bool = True) -> None:
        """Without `takes` the list is not asked for, as asking empties it: in a check."""
        self._user = user
        self._password = password
        self._takes = takes
        self._is_seen = False
        """It has prompted: a command channel it is."""
        self._has_heard = False
        self._is_asked_password = False
        self._is_in = False
        self._questions: deque[str] = deque()
        self._asked: str | None = None
        self._is_answering = False
        self._now_ns = self._asked_ns = self._heard_ns = self._clock_ns = 0
        self._open_ns: int | None = None
        """When the time was asked for that has not been told since."""

    @property
    def is_logging_in(self) -> bool:
        """Whether what comes may echo the password."""
        return self._is_asked_password and not self._is_in

    @property
    def is_greeting(self) -> bool:
        """Whether what comes is a banner, or about the login."""
        return not self._is_in

    def told_time(self) -> int | None:
        """Take note that it told its time; return when it was asked for, None if it was not."""
        asked_ns, self._open_ns = self._open_ns, None
        return asked_ns

    def begin(self, now_ns: int) -> None:
        """Begin to wait for the banner."""
        self._now_ns = self._heard_ns = now_ns

    def heard(self) -> None:
        """Note that bytes came."""
        self._heard_ns, self._has_heard = self._now_ns, True

    def line(self, text: str, *, ended: bool) -> tuple[list[Event], bool]:
        """Take a line; `ended`: a NUL stands behind it. Return events, and if the login failed."""
        if text.endswith(_USER_PROMPT):
            self._is_seen = True
            if self._is_asked_password:
                return [Hangup("the reader refuses the login")], True
            return [_typed(self._user)], False
        if text.endswith(_PASSWORD_PROMPT):
            self._is_seen = self._is_asked_password = True
            return [_typed(self._password)], False
        if text.startswith(_WRONG):
            return [Hangup("the reader refuses the login")], True
        is_prompt = text in PROMPTS
        if is_prompt and not self._is_in:
            self._is_seen = self._is_in = True
            self._questions.extend([*_ONCE, *_AGAIN, *([_LIST] if self._takes else [])])
            self._clock_ns = self._now_ns
            return self._go_on(), False
        self._is_answering = self._is_answering or (bool(text) and not is_prompt)
        if not ended or not self._is_answering:
            return [], False
        self._asked, self._is_answering = None, False
        return self._go_on(), False

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: ask for tags once a second, for the time more rarely; notice silence."""
        self._now_ns = now_ns
        if (self._is_seen or not self._has_heard) and now_ns - self._heard_ns >= DEAD_NS:
            return [Hangup("the reader says nothing: it should greet, and answer")]
        if not self._is_in:
            return []
        if self._asked is not None and now_ns - self._asked_ns >= PATIENCE_NS:
            self._asked = None
        if now_ns - self._clock_ns >= CLOCK_NS:
            self._clock_ns = now_ns
            self._questions.extend(_AGAIN)
        if self._takes and _LIST not in self._questions:
            self._questions.append(_LIST)
        return self._go_on()

    def _go_on(self) -> list[Event]:
        if self._asked is not None or not self._questions:
            return []
        self._asked = self._questions.popleft()
        self._is_answering = False
        self._asked_ns = self._now_ns
        if self._asked == _TIME and self._open_ns is None:
            self._open_ns = self._now_ns
        return [Send(f"\x01get {self._asked}\r\n".encode(), asks_clock=self._asked == _TIME)]


def _typed(text: str) -> Send:
    return Send(f"{text}\r\n".encode())
