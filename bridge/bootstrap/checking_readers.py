"""`chip-bridge check` at the readers: reachable, and what their clocks say."""

import asyncio
from dataclasses import replace

from bridge.app.clock_words import RIGHT_MS, ahead_ns, clock_words, to_ms
from bridge.app.config import Config, Loaded, ReaderTable
from bridge.app.link import Connection, ReaderState
from bridge.app.ports import Clock, ClockSample
from bridge.app.redact import redact_url
from bridge.app.registry import Registry
from bridge.app.supervise import Reader, opening_of
from bridge.bootstrap.check_sheet import Line
from bridge.bootstrap.links import passing_user, reader_of
from bridge.domain.rules import ClockPolicy
from bridge.driver_api import Kept
from bridge.errors import LinkError

LISTEN_S = 4.0
"""A reader is listened to and asked for this long, unless it has told its clock before."""
AFTERWARDS_S = 1.0
"""Then it is given this much more, for a second answer and for what it complains of."""
FAR_MS = 600_000
"""Ten minutes: no drift, but a wrong zone or a clock that was never set."""


class _Notebook:
    """A desk that journals nothing: it only keeps the clock samples."""

    def __init__(self) -> None:
        self.samples: list[ClockSample] = []
        self.limit: asyncio.Timeout | None = None
        """When listening ends: soon, once the clock has been told."""

    def take(
        self,
        session: int,  # noqa: ARG002
        kept: list[Kept],  # noqa: ARG002
        utc_ns: int,  # noqa: ARG002
        boot_ns: int,  # noqa: ARG002
        *,
        memory: str | None,  # noqa: ARG002
        samples: list[ClockSample],
    ) -> "asyncio.Future[None]":
        """Note the samples; nothing is stored, so it is done at once."""
        if samples and not self.samples and self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time() + AFTERWARDS_S)
        self.samples += samples
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def room(self) -> None:
        """There is always room."""


async def try_reader(
    table: ReaderTable, loaded: Loaded, drivers: Registry, clock: Clock
) -> list[Line]:
    """Connect to a reader, listen and ask its clock, and let go of it again."""
    driver = drivers.find(table.driver)
    reader = reader_of(table, driver, loaded, passing_user(loaded))
    what = f"reader {table.name}"
    if reader.link == "tcp-listen":
        text = f"it connects to us on {table.url}: start the service to see"
        return [Line(what, "warn", text)]
    state = ReaderState(table.name, table.location, table.driver, redact_url(table.url))
    notebook = _Notebook()
    try:
        await _listen(reader, notebook, state, clock)
    except LinkError as error:
        return [Line(what, "no", str(error))]
    lines = [Line(what, "warn", text) for text in state.alarms.values()]
    if notebook.samples:
        return [_clock_line(what, table, loaded.config, notebook.samples), *lines]
    if driver.can_tell_time and reader.link != "file":
        text = f"reachable, but it did not tell its time in {LISTEN_S:g} s"
        return [Line(what, "warn", text), *lines]
    return [Line(what, "go", "reachable; it has no clock that can be asked"), *lines]


def _clock_line(what: str, table: ReaderTable, config: Config, samples: list[ClockSample]) -> Line:
    """Judge the reader's clock: an error that is corrected is no hindrance, whole hours are odd."""
    best = min(samples, key=lambda sample: sample.rtt_ns)
    zone = table.timezone or config.bridge.timezone or "UTC"
    ahead_ms = to_ms(ahead_ns(best.stamp, best.form, best.utc_ns, zone))
    text = f"reachable; its clock is {clock_words(ahead_ms)}"
    if abs(ahead_ms) <= RIGHT_MS:
        return Line(what, "go", text)
    if table.clock == ClockPolicy.READER.value:
        return Line(what, "no", f"{text}, and it is trusted (clock = 'reader'): set it right")
    if abs(ahead_ms) >= FAR_MS:
        return Line(what, "warn", f"{text} in {zone}: its times are corrected, but look why")
    return Line(what, "go", f"{text}: its times are corrected")


async def _listen(reader: Reader, notebook: _Notebook, state: ReaderState, clock: Clock) -> None:
    """Talk to a reader as the service would, without its memory: no gap is asked for."""
    opening = replace(opening_of(reader, None, None), trial=True)
    session = reader.driver.session(opening)
    transport = await reader.connector.connect()
    connection = Connection(
        session_id=0,
        session=session,
        transport=transport,
        dial=reader.connector.dial,
        desk=notebook,
        clock=clock,
        state=state,
    )
    try:
        async with asyncio.timeout(LISTEN_S) as notebook.limit:
            await connection.run()
    except TimeoutError:
        return
