"""Receiving what readers post: who may, and what they are answered.

A request is answered once what came in it is durable: the answer stands behind its reads. A secret
is wanted if the configuration has one (a path in the URL, a password): without it anybody in the
network could post finishes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from bridge.driver_api import Control, Event, Kept, Opening, Reason, Rejected, Send
from drivers import http_wire
from drivers.http_wire import Head

_METHODS: Final = ("POST", "PUT", "GET")
NO_BODY: Final = b""
_LOGIN = re.compile(rb"(\n(?i:authorization):[ \t]*)([^\r\n]*)")


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may post, and where."""

    path: str
    """Path requests must have, with its leading slash; empty: any."""
    login: str | None
    """Value the ``Authorization`` field must have; None: any."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters the target must have."""

    def refusal(self, head: Head) -> int:
        """Return the status a request is refused with; 0 if it is welcome."""
        if head.method not in _METHODS:
            return 405
        if self.path and head.target.partition("?")[0] != self.path:
            return 404
        if self.login is not None and head.fields.get("authorization") != self.login:
            return 401
        told = query_of(head.target)
        if any(told.get(name) != value for name, value in self.query.items()):
            return 403
        return 0


def query_of(target: str) -> dict[str, str]:
    """Return the parameters of a target; of repeated ones the last."""
    try:
        return dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
    except ValueError:
        return {}


def gate_of(opening: Opening, default_user: str) -> Gate:
    """Return what the URL's path, the option `user` and the secret password want."""
    path = opening.target.partition("?")[0].strip("/")
    user = str(opening.options.get("user", default_user))
    login = None if opening.password is None else http_wire.basic(user, opening.password)
    return Gate(f"/{path}" if path and opening.link == "tcp-listen" else "", login)


class PushDesk:
    """The requests of one connection: head, what came in the body, answer."""

    def __init__(self, gate: Gate, good_body: bytes = NO_BODY) -> None:
        """Every good request is answered with 200 and `good_body`."""
        self._gate = gate
        self._good_body = good_body
        self._head: Head | None = None
        self._refusal = 0
        self._understood = 0
        self._damaged = 0
        self.talking = False
        """Answer; a session that was never opened says nothing."""

    @property
    def refusing(self) -> bool:
        """Whether the request at hand is not welcome: nothing in it may be taken as a read."""
        return bool(self._refusal)

    def begin(self, raw: bytes, head: Head) -> list[Event]:
        """Take a request's head; a login that has to be right is masked in what is kept of it."""
        self._head = head
        self._refusal = self._gate.refusal(head)
        self._understood = self._damaged = 0
        target = head.target.partition("?")[0]
        if self._gate.login is not None:
            raw = _LOGIN.sub(_masked, raw)
        events: list[Event] = [
            Control(raw, "http request", {"method": head.method, "path": target})
        ]
        if self.talking and head.fields.get("expect", "").lower() == "100-continue":
            events.append(Send(http_wire.CONTINUE))
        return events

    def count(self, event: Kept) -> None:
        """Take note of what a stretch of the body turned out to be."""
        if not isinstance(event, Rejected):
            self._understood += not isinstance(event, Control)
        elif event.reason in (Reason.FRAMING, Reason.OVERLONG):
            self._damaged += 1

    def end(self) -> list[Event]:
        """Answer the request; a body in which nothing could be understood is a bad one."""
        head, self._head = self._head, None
        refusal, self._refusal = self._refusal, 0
        if head is None or not head.method or not self.talking:
            return []
        status = refusal or (400 if self._damaged and not self._understood else 200)
        fields = {"Content-Type": "text/plain"}
        if status == 401:  # noqa: PLR2004
            fields["WWW-Authenticate"] = 'Basic realm="chip-bridge"'
        if not head.keep_alive:
            fields["Connection"] = "close"
        body = self._good_body if status == 200 else NO_BODY  # noqa: PLR2004
        return [Send(http_wire.response(status, body, fields))]


def _masked(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])
