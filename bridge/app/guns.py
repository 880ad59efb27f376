"""Guns fired on this box that the other boxes of the race must hear of."""

from typing import NamedTuple

import orjson

from bridge.app.ports import Notes
from bridge.domain.reads import NS_PER_MS

NOTE = "share.guns"


class Gun(NamedTuple):
    """T0 as set or taken back on this box."""

    mark_id: int
    """The mark on this box; with the site it identifies the gun everywhere."""
    event_id: int
    wave: str | None
    at_ns: int
    made_at_ns: int
    author: str
    undo: bool


class GunBook:
    """Remembers over restarts which site has heard of which gun. Dozens of entries, at most."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        kept = orjson.loads(notes.get(NOTE) or '{"guns": [], "heard": {}}')
        self._guns = [Gun(*fields) for fields in kept["guns"]]
        self._heard: dict[str, int] = kept["heard"]

    async def add(self, gun: Gun) -> None:
        """Note a gun; every site that has not heard of it will."""
        self._guns.append(gun)
        await self._save()

    def untold(self, site: str) -> Gun | None:
        """Return the oldest gun this site has not answered for."""
        told = self._heard.get(site, 0)
        return self._guns[told] if told < len(self._guns) else None

    async def told(self, site: str) -> None:
        """Note that a site has answered for its oldest untold gun."""
        self._heard[site] = self._heard.get(site, 0) + 1
        await self._save()

    async def _save(self) -> None:
        text = orjson.dumps({"guns": list(map(list, self._guns)), "heard": self._heard}).decode()
        await self._notes.put(NOTE, text)


def gun_request(gun: Gun, origin: str) -> dict[str, object]:
    """Return the body of a ``gun`` request that passes a gun on (see `payloads`)."""
    return {
        "event_id": gun.event_id,
        "wave": gun.wave,
        "at_ms": gun.at_ns // NS_PER_MS,
        "at_sub_ns": gun.at_ns % NS_PER_MS,
        "author": gun.author,
        "undo": gun.undo,
        "origin": origin,
        "mark_id": gun.mark_id,
        "made_at_ms": gun.made_at_ns // NS_PER_MS,
    }
