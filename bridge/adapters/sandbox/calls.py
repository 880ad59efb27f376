"""A call to a sandboxed service and its reply, without the HTTP around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson

SECRETS = frozenset({"api_key", "api_secret", "rsu_api_key", "sp_api_key", "rsu_api_reg"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    """Below the service's base, lower case."""
    query: Mapping[str, str]
    form: Mapping[str, str]
    """Empty unless the body was form-encoded."""
    headers: Mapping[str, str]
    """Names in lower case."""
    values: Mapping[str, int] = field(default_factory=dict)
    """Numbers taken from the path."""

    def given(self, name: str) -> str:
        """Return a parameter from the query or else the form, trimmed; empty if absent."""
        return self.query.get(name, self.form.get(name, "")).strip()

    def number(self, name: str, default: int = 0) -> int:
        """Return a parameter as a number from 0, or the default."""
        text = self.given(name)
        return int(text) if text.isdecimal() else default

    def shown_query(self) -> dict[str, str]:
        """Return the query for logs: what authenticates is hidden."""
        return {name: "***" if name in SECRETS else v for name, v in self.query.items()}


class Reply(NamedTuple):
    """What is answered: JSON, or bytes as they are."""

    content: object
    status: int = 200

    @property
    def body(self) -> bytes:
        """The bytes on the wire."""
        return self.content if isinstance(self.content, bytes) else orjson.dumps(self.content)

    @property
    def media_type(self) -> str:
        """The content type that goes with them."""
        return "text/html" if isinstance(self.content, bytes) else "application/json"


class Exchange(NamedTuple):
    """One call with its outcome, for logs and tests."""

    call: Call
    reply: Reply | None
    """None: the connection was cut or left hanging."""
    fault: str | None
    problems: tuple[str, ...]
    """What a correct client would not have done."""


Observer = Callable[[Exchange], None]


def form_of(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the form fields of a body, or nothing if it is no form."""
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
