"""Read what other programs publish, believing nothing: garbage gives None, never an exception."""

import re
from typing import NamedTuple, TypeGuard

import orjson

from bridge.domain.reads import NS_PER_MS
from bridge.domain.results import RemoteCrossing

LARGEST_SEQ = 2**53 - 1
"""Whole numbers that survive every JSON parser."""
LARGEST_MS = 2**63 // NS_PER_MS - 1
"""As ns it still fits an SQLite INTEGER: the year 2262."""
LONGEST = 200
"""Characters of an id or a chip."""
LARGEST = 16_384
"""Bytes of a crossing message; ours have 500."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_STATES = ("provisional", "final", "withdrawn")


class Message(NamedTuple):
    """One message of the tree ``crossing``."""

    site: str
    seq: int
    crossing: RemoteCrossing


class Page(NamedTuple):
    """An answer to ``crossings``."""

    to_seq: int
    """How far this answer goes."""
    last_seq: int
    """How far there is."""
    messages: list[Message]


def is_site(name: str) -> bool:
    """Say whether a site may be called that."""
    return _NAME.match(name) is not None


def message_of(payload: bytes) -> Message | None:
    """Return the crossing message in a payload, or None."""
    if len(payload) > LARGEST:
        return None
    try:
        return _message(orjson.loads(payload))
    except ValueError:
        return None


def page_of(answer: dict[str, object] | None) -> Page | None:
    """Return the page in an answer's object, or None; what in it is no crossing is left out."""
    result = answer.get("result") if answer else None
    if not isinstance(result, dict):
        return None
    to_seq, last_seq, rows = (result.get(key) for key in ("to_seq", "last_seq", "crossings"))
    if not _whole(to_seq, 0, LARGEST_SEQ) or not _whole(last_seq, 0, LARGEST_SEQ):
        return None
    if not isinstance(rows, list):
        return None
    messages = [message for row in rows if (message := _message(row)) is not None]
    return Page(to_seq, last_seq, messages)


def _message(fields: object) -> Message | None:
    if not isinstance(fields, dict) or fields.get("state") not in _STATES:
        return None
    site, location, chip = (fields.get(key) for key in ("site", "location", "chip"))
    seq, crossing_id = fields.get("seq"), fields.get("id")
    if not (_name(site) and _name(location) and _text(chip) and _text(crossing_id)):
        return None
    at = _instant(fields)
    if not _whole(seq, 1, LARGEST_SEQ) or at is None:
        return None
    withdrawn = at < 0 or fields["state"] == "withdrawn"
    return Message(site, seq, RemoteCrossing(crossing_id, site, location, chip, at, withdrawn))


def _instant(fields: dict[str, object]) -> int | None:
    """Return ns UTC, -1 for a crossing without a time, None for garbage."""
    at_ms, rest = fields.get("at_ms"), fields.get("at_sub_ns")
    if at_ms is None and "at_ms" in fields:
        return -1
    if not _whole(at_ms, 0, LARGEST_MS):
        return None
    return at_ms * NS_PER_MS + (rest if _whole(rest, 0, NS_PER_MS - 1) else 0)


def _whole(value: object, least: int, most: int) -> TypeGuard[int]:
    return type(value) is int and least <= value <= most


def _text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def _name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_site(value)
