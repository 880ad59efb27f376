"""Every request a running bridge answers: one table for HTTP, MQTT and the command line."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Json = dict[str, object]
Handler = Callable[[Mapping[str, object], str], Awaitable[object]]
"""(request, author) -> result. Raises `BridgeError` with a sentence for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One request: its name, whether it changes anything, what it takes and does."""

    name: str
    changes: bool
    summary: str
    handler: Handler
    takes: Mapping[str, str]
    """Parameter -> what it is, for the OpenAPI page."""
    mqtt: bool = False
    """Also answered on `<base>/request/<site>/<name>`."""


Actions = Mapping[str, Action]
