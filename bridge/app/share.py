"""Multi-mat: the crossings of other sites come in, what was missed is asked for, guns go out.

Live messages come by subscription; a persistent session brings what came while the link was down.
Neither is trusted to be complete: the store knows which seq of a site it never got, and those are
asked for by request. A message counts once it is durable, and only then is the race told.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog

from bridge.app.asking import Asker
from bridge.app.broker import Alarm, Interest, Outlet, Topics
from bridge.app.foreign import Message, is_site, message_of, page_of
from bridge.app.guns import Gun, GunBook, gun_request
from bridge.app.payloads import OFFLINE, ONLINE
from bridge.app.ports import Clock, RemoteStore
from bridge.app.requests import PAGE, Log
from bridge.domain.results import RemoteCrossing

log = structlog.get_logger(__name__)

INBOX = 5_000
"""Messages waiting for the disk. What comes above it is dropped and asked for again."""
SITES = 64
"""Other sites believed in; strangers may invent any number."""
OPEN_END = 2**53
"""Above every seq."""
LOOK_AGAIN_S = 30.0
"""A site is asked whether there is more this often, though nothing seems to be missing; what it
did not answer is asked again then."""
SLICE = 500


@dataclass(slots=True)
class _Site:
    name: str
    online: bool = False
    newest: int = 0
    """Highest seq seen; a message above it is news, one below fills a gap."""
    skip_to: int = 0
    """What is missing below was asked for on this connection, and the site does not have it."""
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class ShareState:
    """What is known of the other sites."""

    sites: dict[str, bool]
    """Site -> whether it is online."""
    taken: int
    """Messages taken in since start."""
    garbage: int
    """Messages that were no crossing."""
    dropped: int
    """Messages dropped because the disk was too slow; they are asked for again."""


class Share:
    """Takes part in the multi-mat exchange: a `Service` of the link."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: RemoteStore,
        own: Log,
        guns: GunBook,
        on_remote: Callable[[Sequence[RemoteCrossing]], None],
        clock: Clock,
        alarm: Alarm,
    ) -> None:
        self._topics = topics
        self._store = store
        self._own = own
        self._guns = guns
        self._on_remote = on_remote
        self._clock = clock
        self._alarm = alarm
        self._asker = Asker(topics, clock)
        self._inbox: deque[tuple[str, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._sites: dict[str, _Site] = {}
        self._unsure: set[tuple[str, str]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._taken = 0
        self._garbage = 0
        self._dropped = 0

    def state(self) -> ShareState:
        """Say what is known of the other sites."""
        online = {site.name: site.online for site in self._sites.values()}
        return ShareState(online, self._taken, self._garbage, self._dropped)

    async def tell_gun(self, gun: Gun) -> None:
        """Pass a gun of this box on to every site there is or will be; durable on return.

        Only for marks made here: a gun heard from another site is never passed on.
        """
        await self._guns.add(gun)
        for site in self._sites.values():
            site.wanted.set()

    def interests(self) -> Sequence[Interest]:
        """Ask for every site's state and crossings, and for the answers to our questions."""
        return (
            Interest(self._topics.of("bridge/+/state"), 1),
            Interest(self._topics.of("crossing/+"), 1),
            Interest(self._topics.of("response/+/crossings"), 0),
            Interest(self._topics.of("response/+/gun"), 0),
        )

    def received(self, topic: str, payload: bytes) -> None:
        """Queue crossings; take states and answers at once."""
        match self._topics.parts(topic):
            case ["crossing", location]:
                if len(self._inbox) < INBOX:
                    self._inbox.append((location, payload))
                    self._arrived.set()
                else:
                    self._dropped += 1
            case ["bridge", site, "state"]:
                self._state_of(site, payload)
            case ["response", site, _]:
                self._asker.answered(site, payload)
            case _:
                pass

    async def serve(self, outlet: Outlet) -> None:
        """Take in, catch up and pass on, on this connection until cancelled."""
        self._asker.outlet = outlet
        self._alarm("site_twice", None)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for site in self._sites.values():
                    site.skip_to = 0
                    group.create_task(self._tend(site), name=f"site {site.name}")
                group.create_task(self._take_in(), name="mqtt crossings in")
        finally:
            self._group = None
            self._asker.outlet = None

    def _state_of(self, name: str, payload: bytes) -> None:
        if name == self._topics.site or payload not in (ONLINE, OFFLINE):
            return
        site = self._site(name)
        if site is not None:
            site.online = payload == ONLINE
            site.skip_to = 0
            site.wanted.set()

    def _site(self, name: str) -> _Site | None:
        """Return a site, beginning to tend it when it is new."""
        site = self._sites.get(name)
        if site is None and is_site(name) and len(self._sites) < SITES:
            site = self._sites[name] = _Site(name)
            ranges = self._store.missing(name, OPEN_END)
            site.newest = ranges[-1][0] - 1 if ranges else OPEN_END
            if self._group is not None:
                self._group.create_task(self._tend(site), name=f"site {name}")
        return site

    async def _take_in(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch: list[Message] = []
            own: tuple[int, bytes] | None = None
            while self._inbox:
                location, payload = self._inbox.popleft()
                message = message_of(payload)
                if message is None or message.crossing.location != location:
                    self._garbage += 1
                elif message.site == self._topics.site:
                    own = message.seq, payload
                elif self._site(message.site) is None:
                    self._garbage += 1
                else:
                    batch.append(message)
            if own is not None:
                self._check_own(*own)
            if batch:
                await self._keep(batch)

    def _check_own(self, seq: int, payload: bytes) -> None:
        """Look whether a message in our name is ours. An MQTT 3.1.1 broker sends us our own."""
        row = next(iter(self._own.crossings(seq, seq)), None)
        if row is None or row.payload != payload:
            self._alarm(
                "site_twice",
                f"Another box publishes as site {self._topics.site!r}: give each box its own "
                "name under [bridge] site, and restart it.",
            )

    async def _keep(self, messages: Sequence[Message]) -> None:
        """Make messages durable, then tell the race what is news in them."""
        await self._store.keep([(m.site, m.seq, m.crossing) for m in messages])
        self._taken += len(messages)
        news: dict[tuple[str, str], RemoteCrossing] = {}
        for message in sorted(messages, key=lambda m: m.seq):
            site = self._sites[message.site]
            if message.seq > site.newest:
                gap = message.seq > site.newest + 1
                site.newest = message.seq
                news[message.site, message.crossing.id] = message.crossing
            else:  # perhaps an older revision of what the race knows already
                gap = True
                self._unsure.add((message.site, message.crossing.id))
            if gap:
                site.wanted.set()
        if news:
            self._on_remote(list(news.values()))

    async def _tend(self, site: _Site) -> None:
        """Tell one site our guns and ask it for what we miss, whenever there is a reason to."""
        while True:
            site.wanted.clear()
            while site.online and await self._tell_next(site):
                pass
            while site.online and await self._ask_next(site):
                pass
            await self._tell_unsure()
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await site.wanted.wait()
            except TimeoutError:
                site.skip_to = 0

    async def _tell_next(self, site: _Site) -> bool:
        """Pass the oldest untold gun on; False when there is none, or no answer."""
        gun = self._guns.untold(site.name)
        if gun is None:
            return False
        answer = await self._asker.ask(site.name, "gun", gun_request(gun, self._topics.site))
        if answer is None:
            return False
        if answer.get("ok") is not True:
            error = str(answer.get("error"))[:200]
            log.warning("site refuses gun", other=site.name, event_id=gun.event_id, error=error)
        await self._guns.told(site.name)
        return True

    async def _ask_next(self, site: _Site) -> bool:
        """Ask for the first page that is missing; say whether there is more to ask for."""
        first, last = self._first_missing(site)
        newest = site.newest
        body = {"from_seq": first, "to_seq": min(last, first + PAGE - 1)}
        page = page_of(await self._asker.ask(site.name, "crossings", body))
        if page is None:
            return False
        self._check_count(site.name, newest, page.last_seq)
        found = [m for m in page.messages if m.site == site.name and first <= m.seq <= page.to_seq]
        if found:
            await self._keep(found)
        site.skip_to = page.to_seq + 1
        return first <= page.to_seq < page.last_seq

    def _first_missing(self, site: _Site) -> tuple[int, int]:
        for first, last in self._store.missing(site.name, OPEN_END):
            if last >= site.skip_to:
                return max(first, site.skip_to), last
        return OPEN_END, OPEN_END

    def _check_count(self, name: str, newest: int, last_seq: int) -> None:
        again = (
            f"Site {name!r} counts its crossings from the beginning again, so its journal was "
            "replaced: give that box a new name under [bridge] site."
        )
        self._alarm(f"site_restarted_{name}", again if last_seq < newest else None)

    async def _tell_unsure(self) -> None:
        """Tell the race the newest revision of crossings of which an older one may have come."""
        ids, self._unsure = self._unsure, set()
        if not ids:
            return
        kept = iter(self._store.remote())
        while piece := list(islice(kept, SLICE)):
            news = [crossing for crossing in piece if (crossing.site, crossing.id) in ids]
            if news:
                self._on_remote(news)
            await asyncio.sleep(0)
