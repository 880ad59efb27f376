"""Keep one reader connected for ever: connect, run, say why it ended, try again."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from bridge.app.crowd import Crowd
from bridge.app.link import Connection, Desk, Dialler, ReaderState
from bridge.app.pace import Pace
from bridge.app.ports import Clock, Transport
from bridge.app.receipts import ReceiptDesk, Replaying, unpacked
from bridge.driver_api import Driver, Opening
from bridge.errors import BridgeError, LinkError, PeerError

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A connection that lived this long was a good one: the next pause is short again."""


class Connector(Protocol):
    """How one reader is reached: dial, listen, or open the port."""

    async def connect(self) -> Transport:
        """Return the open stream.

        Raises:
            LinkError: Not now; the text says why.
        """
        ...

    async def dial(self, port: int) -> Transport:
        """Open one more connection to the same host.

        Raises:
            LinkError: Refused, or this kind of link has no host.
        """
        ...

    def close(self) -> None:
        """Take no more connections; what nobody will read must not be accepted."""
        ...


class FrontDesk(Desk, Protocol):
    """The desk as the supervisor sees it: it also opens sessions."""

    def open_session(self, reader: str) -> int:
        """Return the number of a new session of this reader."""
        ...

    def opening(self, reader: str) -> tuple[str | None, int | None]:
        """Return (memory, newest stamp) of this reader."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One configured reader, ready to be run."""

    name: str
    location: str
    driver: Driver
    link: str
    """As in `Opening.link`."""
    options: Mapping[str, object]
    connector: Connector
    coalesce: bool = True
    many: bool = False
    """Several connections at once are normal; else a new one takes the place of the former."""
    host: str = ""
    target: str = ""
    password: str | None = field(default=None, repr=False)
    pace: Pace | None = None
    """How fast it is listened to; None: as fast as it speaks."""
    sources: tuple[str, ...] = ()
    """Places on this connection, as the reader names them."""


class Backoff:
    """Pauses that double up to a cap, with jitter so that many boxes do not knock in step."""

    def __init__(self, first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._next_s = self._first_s

    def pause_s(self) -> float:
        """Return how long to wait now, between half and all of the present pause."""
        pause = self._next_s
        self._next_s = min(self._next_s * 2, self._longest_s)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


async def supervise(reader: Reader, desk: FrontDesk, clock: Clock, state: ReaderState) -> None:
    """Run one reader until cancelled; nothing that happens to it ends this, or another reader."""
    try:
        await _supervise(reader, desk, clock, state)
    finally:
        reader.connector.close()


async def _supervise(reader: Reader, desk: FrontDesk, clock: Clock, state: ReaderState) -> None:
    backoff = Backoff()
    while True:
        began = clock.boot_ns()
        state.enter("connecting", clock.utc_ns(), state.detail)
        try:
            if reader.many:
                await _crowd(reader, desk, clock, state).run()
            else:
                transport = await reader.connector.connect()
                began = clock.boot_ns()
                try:
                    await _converse(reader, transport, desk, clock, state)
                finally:
                    transport.close()  # or nobody could ever open the port again
        except PeerError as error:
            _failed(state, clock, error)
            await clock.sleep(LONGEST_PAUSE_S)
        except BridgeError as error:
            _failed(state, clock, error)
        except Exception:  # bulkhead: a bug in one driver stops no other reader
            _failed(state, clock, LinkError(f"internal error in driver {reader.driver.name}"))
            log.exception("driver failed", reader=reader.name)
        if clock.boot_ns() - began > STEADY_S * 1_000_000_000:
            backoff.reset()
        await clock.sleep(backoff.pause_s())


async def _converse(
    reader: Reader, transport: Transport, desk: FrontDesk, clock: Clock, state: ReaderState
) -> None:
    kept, last_stamp = desk.opening(reader.name)
    place, memory = unpacked(kept)
    session = reader.driver.session(opening_of(reader, memory, last_stamp))
    session_id = desk.open_session(reader.name)
    state.connections += 1
    state.alarms.clear()
    state.enter("connected", clock.utc_ns())
    log.info("reader connected", reader=reader.name, location=reader.location)
    receiver: Desk = desk
    if isinstance(transport, Replaying):
        transport.resume(place)
        receiver = receipts = ReceiptDesk(desk, transport, memory)
        if place is None:
            receipts.begin(session_id, clock.utc_ns(), clock.boot_ns())
    dial: Dialler = reader.connector.dial
    await Connection(
        session_id=session_id,
        session=session,
        transport=transport,
        dial=dial,
        desk=receiver,
        clock=clock,
        state=state,
        coalesce=reader.coalesce,
        pace=reader.pace,
    ).run()


def opening_of(reader: Reader, memory: str | None, last_stamp: int | None) -> Opening:
    """Return what a session of this reader is told at birth."""
    return Opening(
        memory=memory,
        last_stamp=last_stamp,
        options=reader.options,
        link=reader.link,
        host=reader.host,
        target=reader.target,
        password=reader.password,
    )


def _crowd(reader: Reader, desk: FrontDesk, clock: Clock, state: ReaderState) -> Crowd:
    kept, last_stamp = desk.opening(reader.name)
    return Crowd(
        connect=reader.connector.connect,
        session=lambda memory: reader.driver.session(opening_of(reader, memory, last_stamp)),
        session_id=lambda: desk.open_session(reader.name),
        memory=unpacked(kept)[1],
        desk=desk,
        clock=clock,
        state=state,
        coalesce=reader.coalesce,
        pace=reader.pace,
    )


def _failed(state: ReaderState, clock: Clock, error: BridgeError) -> None:
    text = str(error)
    if state.state == "connected" or text != state.detail:
        log.warning("reader lost", reader=state.name, reason=text)
    state.enter("failed", clock.utc_ns(), text)
