"""LLRP against somebody else's reader, and our reader against somebody else's client.

The peer is llrpkit: https://github.com/kyronfeast/llrpkit. Its emulated reader keeps nothing over
a lost connection and answers ENABLE_EVENTS_AND_REPORTS with an error; real ones are better.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from llrpkit.client import LLRPClient, check_status
from llrpkit.emulator import LLRPEmulator
from llrpkit.emulator.core import EmulatedTag
from llrpkit.exceptions import LLRPConnectionError, LLRPStatusError
from llrpkit.inventory import build_rospec
from llrpkit.protocol import enums, messages, params
from llrpkit.reader import Reader

from bridge.adapters.config_files import load_config
from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.system_clock import SystemClock
from bridge.app.registry import Registry
from bridge.bootstrap.checking import run_checks
from bridge.domain.clocks import ClockTrack
from bridge.domain.reads import NS_PER_S, StampForm
from bridge.driver_api import Clock, Marker, Rejected, Sighting, Status
from drivers import BUILTIN
from drivers.llrp import DRIVER
from drivers.llrp.emulator import LlrpEmulator
from tests.support.llrp import wired
from tests.support.store import until

EPC_96 = bytes.fromhex("E2000017010B016210000001")
EPC_128 = bytes.fromhex("300833B2DDD906C0000000000ABBCCDD")
CHECKED = """
[bridge]
site = "box"
timezone = "UTC"
data_dir = "data"

[[reader]]
name = "mat"
driver = "llrp"
location = "finish"
url = "tcp://127.0.0.1:{port}"
"""
TAGS = [EmulatedTag(EPC_96, antennas=(1, 2)), EmulatedTag(EPC_128, antennas=(3,))]


@asynccontextmanager
async def foreign_reader(**options: object) -> AsyncIterator[LLRPEmulator]:
    """Run llrpkit's emulated reader; its connections are let end by themselves."""
    reader = LLRPEmulator(tags=TAGS, **options)  # type: ignore[arg-type]
    await reader.start()
    try:
        yield reader
    finally:
        await until(lambda: reader._writer is None)  # noqa: SLF001 - or its task is cancelled loudly
        await reader.stop()


# -- our client, their reader ----------------------------------------------------------------------


async def test_our_client_sets_their_reader_up_and_reads_its_tags() -> None:
    async with foreign_reader() as reader:
        async with wired(reader.port) as wire:
            await until(lambda: len(wire.book.reads) >= 60)
            await until(lambda: reader.keepalive_acks >= 1)
        reads = wire.book.reads
        assert {read.chip for read in reads} == {EPC_96.hex().upper(), EPC_128.hex().upper()}
        assert {read.antenna for read in reads} == {1, 2, 3}
        assert all(read.form is StampForm.UTC for read in reads)
        assert any(read.rssi is not None and read.rssi % 1 for read in reads), "1/100 dBm"
        assert not [event for event in wire.book.kept if isinstance(event, Rejected)]
        assert wire.state.fields["firmware"] == "llrpkit-emu 0.1"
        assert wire.state.fields["operating"] is True
        assert wire.state.alarms == {}
        assert wire.book.memory is not None


async def test_the_offset_of_their_clock_is_found_from_what_they_tell() -> None:
    async with foreign_reader() as reader, wired(reader.port) as wire:
        await until(lambda: len(wire.book.reads) >= 30)
        [first, *_] = wire.book.samples
        offset_ns = first.utc_ns - first.stamp
        assert abs(offset_ns) < NS_PER_S // 10, "their clock is this host's"


async def test_their_inputs_and_antennas_are_heard() -> None:
    async with foreign_reader() as reader, wired(reader.port) as wire:
        await until(lambda: bool(wire.book.reads))
        await reader.set_gpi(1, high=True)
        await reader.set_gpi(1, high=False)
        await reader.set_antenna_connected(3, connected=True)
        await reader.set_antenna_connected(3, connected=False)
        await until(lambda: "antennas" in wire.state.alarms)
        [gun] = [event for event in wire.book.kept if isinstance(event, Marker)]
        assert (gun.name, gun.extra) == ("gun", {"port": 1, "level": 1})
        assert wire.state.fields["gpi1"] == 0
        await reader.set_antenna_connected(3, connected=True)
        await until(lambda: "antennas" not in wire.state.alarms)


async def test_phase_and_power_are_set_where_options_say_so() -> None:
    options = {"phase": True, "power_dbm": 20, "antennas": [3], "mode": 1002, "session": 1}
    async with foreign_reader() as reader, wired(reader.port, options=options) as wire:
        await until(lambda: len(wire.book.reads) >= 5)
        details = DRIVER.extra
        assert {read.antenna for read in wire.book.reads} == {3}
        assert all("phase_deg" in details(read.raw) for read in wire.book.reads)
        [(spec, state)] = reader._rospecs.values()  # noqa: SLF001 - it tells nobody else
        [inventory] = spec.spec_parameters
        [config] = inventory.inventory_parameter_specs[0].antenna_configurations  # type: ignore[union-attr]
        assert (state, config.rf_transmitter.transmit_power) == ("Active", 11)


async def test_a_second_program_is_refused_and_we_say_so() -> None:
    async with foreign_reader() as reader, wired(reader.port) as holder:
        await until(lambda: bool(holder.book.reads))
        async with wired(reader.port) as second:
            await until(lambda: second.ended is not None)
        assert second.ended is not None
        assert second.ended.startswith("reader busy: another program is connected")


@pytest.mark.parametrize(
    "ignored",
    [messages.GET_READER_CAPABILITIES, messages.GET_READER_CONFIG, messages.GET_ROSPECS],
)
async def test_a_request_they_never_answer_holds_nothing_up(ignored: type) -> None:
    async with foreign_reader() as reader:
        reader.drop_next(ignored)
        async with wired(reader.port) as wire:
            await until(lambda: bool(wire.book.reads), 30)


# -- their client, our reader ----------------------------------------------------------------------


class Served:
    """Our emulated reader on a port, with chips crossing it."""

    def __init__(self, options: dict[str, object]) -> None:
        self.reader = LlrpEmulator(options)
        self.host = EmulatorHost(self.reader, SystemClock())
        self.port = 0
        self._crossings = 0
        self.crossed: dict[str, int] = {}
        """Chip -> when it crossed, by the host."""

    async def crosses(self) -> None:
        """Let chips cross, twenty a second."""
        while True:
            self._crossings += 1
            number = self._crossings
            chip, now_ns = DRIVER.example_chip(number), self.host.now_ns
            self.crossed[chip] = now_ns
            await self.host.sight(
                Sighting(
                    chip=chip,
                    stamp=now_ns,
                    antenna=1 + number % 4,
                    rssi=-55.25,
                    seq=number,
                )
            )
            await asyncio.sleep(0.05)


@asynccontextmanager
async def our_reader(**options: object) -> AsyncIterator[Served]:
    served = Served(options)
    served.port = await served.host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in (served.host.run, served.crosses)]
        try:
            yield served
        finally:
            for task in tasks:
                task.cancel()
            served.host.close()


async def test_their_client_reads_our_reader() -> None:
    async with our_reader() as served, Reader("127.0.0.1", served.port) as reader:
        assert reader.is_impinj
        assert reader.impinj_extensions_enabled
        assert reader.max_antennas == 4
        assert reader.capabilities.transmit_powers[81] == 30.0
        assert 1000 in {mode.mode_id for mode in reader.capabilities.modes}
        assert await reader.get_temperature() == 41
        tags = []
        async for tag in reader.inventory(
            session=2, search_mode=2, mode_index=1000, include_phase=True
        ):
            tags.append(tag)
            if len(tags) == 20:
                break
        assert {tag.antenna for tag in tags} == {1, 2, 3, 4}
        assert {tag.rssi_dbm for tag in tags} == {-55.25}
        assert all(tag.phase_deg is not None for tag in tags)
        times = [tag.first_seen_us for tag in tags]
        assert times == sorted(times)


async def test_our_reader_keeps_one_client_and_tells_the_other() -> None:
    async with our_reader() as served, LLRPClient("127.0.0.1", served.port) as holder:
        other = LLRPClient("127.0.0.1", served.port)
        with pytest.raises(LLRPConnectionError, match="refused"):
            await other.connect()
        event = await asyncio.wait_for(holder.events.get(), 5)
        told = event.reader_event_notification_data.connection_attempt_event  # type: ignore[attr-defined]
        assert told.status == enums.ConnectionAttemptStatusType.Another_Connection_Attempted


async def test_our_reader_holds_what_nobody_fetches() -> None:
    async with our_reader() as served:
        async with LLRPClient("127.0.0.1", served.port) as client:
            held = params.EventsAndReports(hold_events_and_reports_upon_reconnect=True)
            for request in (
                messages.SET_READER_CONFIG(events_and_reports=held),
                messages.ADD_ROSPEC(ro_spec=build_rospec(ro_spec_id=9)),
                messages.ENABLE_ROSPEC(ro_spec_id=9),
                messages.START_ROSPEC(ro_spec_id=9),
            ):
                check_status(await client.transact(request))
            with pytest.raises(LLRPStatusError):
                check_status(await client.transact(messages.START_ROSPEC(ro_spec_id=9)))
        await until(lambda: len(served.reader.reader.buffer) >= 60)
        async with LLRPClient("127.0.0.1", served.port) as client:
            assert client.reports.empty()
            client.send(messages.ENABLE_EVENTS_AND_REPORTS())
            report = await asyncio.wait_for(client.reports.get(), 5)
            assert len(report.tag_report_datas) == 50, "held reads come many at a time"


async def test_our_reader_tells_of_its_input_and_its_life() -> None:
    async with our_reader() as served, Reader("127.0.0.1", served.port) as reader:
        await reader.set_gpi_enabled(1, enabled=True)
        on = params.EventNotificationState(event_type=1, notification_state=True)
        spec = params.ReaderEventNotificationSpec(event_notification_states=[on])
        wanted = messages.SET_READER_CONFIG(reader_event_notification_spec=spec)
        check_status(await reader.client.transact(wanted))
        await reader.set_keepalive(100)
        await served.host.mark("gun", served.host.now_ns)
        edges = [await asyncio.wait_for(reader.client.gpi_edges.get(), 5) for _ in range(2)]
        assert [(edge.port, edge.high) for edge in edges] == [(1, True), (1, False)]
        assert await reader.get_config()


# -- ours and ours, over a real socket -------------------------------------------------------------


async def test_nothing_is_lost_while_the_link_is_down() -> None:
    async with our_reader(vendor="zebra") as served:
        async with wired(served.port) as wire:
            await until(lambda: wire.book.memory is not None and len(wire.book.reads) > 5)
        before = {read.chip for read in wire.book.reads}
        await until(lambda: len(served.reader.reader.buffer) >= 20)
        async with wired(served.port, memory=wire.book.memory) as again:
            await until(lambda: len(again.book.reads) >= 30)
        after = [read.chip for read in again.book.reads]
        numbers = sorted(int(chip[12:], 16) for chip in {*before, *after})
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        told = [event for event in again.book.kept if isinstance(event, Status | Clock)]
        assert told, "it was not set up anew, and health came all the same"


@pytest.mark.parametrize("clock", ["utc", "uptime"])
async def test_reads_are_placed_in_time_whatever_the_readers_clock_counts(clock: str) -> None:
    async with our_reader(clock=clock) as served, wired(served.port) as wire:
        await until(lambda: len(wire.book.reads) >= 20)
    track = ClockTrack()
    for sample in wire.book.samples:
        track.add(
            host_ns=sample.utc_ns,
            rtt_ns=sample.rtt_ns,
            stamp=sample.stamp,
            form=sample.form,
            step=sample.step,
        )
    now_ns = SystemClock().utc_ns()
    placed = [track.correct(read.stamp, int(read.form), now_ns) for read in wire.book.reads]
    crossed = [served.crossed[read.chip] for read in wire.book.reads]
    for at, truth in zip(placed, crossed, strict=True):
        assert at is not None
        assert abs(at - truth) < NS_PER_S // 10


async def test_a_check_leaves_a_reader_as_it_is(tmp_path: Path) -> None:
    async with our_reader() as served:
        config = tmp_path / "bridge.toml"
        config.write_text(CHECKED.format(port=served.port))
        drivers = Registry(BUILTIN)
        loaded = load_config(config, {}, drivers)
        lines = await run_checks(loaded, drivers, {}, SystemClock())
        [said] = [line for line in lines if line.what == "reader mat"]
        assert (said.verdict, said.text) == ("go", "reachable; its clock is right")
        assert served.reader.reader.rospecs == {}
        assert served.reader.reader.keepalive_ms == 0
