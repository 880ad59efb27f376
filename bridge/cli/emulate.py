"""`emulate`: a reader made of software, for rehearsals and for testing other programs."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bridge.adapters.emulator_host import EmulatorHost, Faults, parse_listen
from bridge.adapters.emulator_links import (
    Recorder,
    append_to,
    connect_out,
    publish_to,
    target_of,
)
from bridge.adapters.system_clock import SystemClock
from bridge.app.captures import Form, Source, looks_like
from bridge.app.endpoint import MqttEndpoint, TcpEndpoint
from bridge.app.recordings import form_for, pieces_for
from bridge.app.simulation import Mat, people, plan
from bridge.cli.invocation import Invocation
from bridge.cli.option_words import options_in
from bridge.domain.clocks import ZoneClock
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, StampForm
from bridge.driver_api import Driver, Emulator, Opening, Read, Sighting
from bridge.errors import UsageError

REPORT_S = 10.0
_HEAD = 65_536
"""Bytes of a recording by which its container is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the sightings come from."""

    file: Path | None
    runners: int | None
    rate: float
    speed: float
    seed: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the reader is; one of these."""

    listen: str | None
    connect: str | None
    append: Path | None
    pty: Path | None


@click.command()
@click.argument("driver")
@click.option("--listen", metavar="HOST:PORT", help="Be a TCP reader here.")
@click.option(
    "--connect",
    metavar="HOST:PORT|URL",
    help="Be a reader that connects to the bridge, or to a broker (mqtt://…/TOPIC).",
)
@click.option("--append", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the reads to the end of a file.")  # fmt: skip
@click.option("--pty", "pty", type=click.Path(path_type=Path), metavar="LINK",
              help="Be a serial reader; LINK points at the device.")  # fmt: skip
@click.option("--from", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              metavar="FILE", help="Send these reads: JSON Lines or a capture.")  # fmt: skip
@click.option("--runners", type=click.IntRange(min=1), help="Send a made-up race of so many.")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True,
              help="Length of the made-up race.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0.01), default=1.0, show_default=True,
              help="Reads a second, without --from and --runners.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(min=0.01), default=1.0, show_default=True,
              help="Play --from (with its own stamps) or --runners faster.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--zone", default="UTC", show_default=True, help="Zone of the reader's wall clock.")
@click.option("--clock-offset", type=float, default=0.0, metavar="S",
              help="The reader's clock is so many seconds ahead.")  # fmt: skip
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE",
              help="An option of the driver's emulator; may be repeated.")  # fmt: skip
@click.option("--drop-after", type=click.IntRange(min=1), metavar="N",
              help="Cut each connection inside its Nth frame.")  # fmt: skip
@click.option("--garbage", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE",
              help="Noise in front of this share of frames.")  # fmt: skip
@click.option("--out-of-order", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE",
              help="This share of reads comes up to 11 s late.")  # fmt: skip
@click.pass_obj
def emulate(  # noqa: PLR0913 - one parameter per option
    invocation: Invocation,
    driver: str,
    *,
    listen: str | None,
    connect: str | None,
    append: Path | None,
    pty: Path | None,
    file: Path | None,
    runners: int | None,
    seconds: float,
    rate: float,
    speed: float,
    seed: int,
    zone: str,
    clock_offset: float,
    options: tuple[str, ...],
    drop_after: int | None,
    garbage: float,
    out_of_order: float,
) -> None:
    """Be a reader of kind DRIVER until Ctrl-C, in its real wire protocol.

    \b
    chip-bridge emulate ipico --listen 127.0.0.1:10000 --runners 50
    chip-bridge emulate race-result --listen :3601 --rate 20 --clock-offset 3600
    chip-bridge emulate ipico --pty /tmp/reader --from capture.log --speed 10
    chip-bridge emulate mylaps --connect 127.0.0.1:3097 --runners 50
    """  # noqa: D301 - click wants the real character
    if sum(where is not None for where in (listen, connect, append, pty)) != 1:
        raise click.UsageError(
            "Say where: --listen HOST:PORT, --connect HOST:PORT, --append FILE or --pty LINK."
        )
    if file is not None and runners is not None:
        raise click.UsageError("Say what to send: --from FILE or --runners N.")
    drivers = invocation.drivers()
    if driver not in drivers.names():
        raise UsageError(drivers.unknown(driver))
    found = drivers.find(driver)
    faults = Faults(drop_after=drop_after, garbage=garbage, out_of_order=out_of_order, seed=seed)
    clock = SystemClock()
    skew = int(clock_offset * NS_PER_S)
    if found.stamp_form is StampForm.NAIVE:
        skew += zone_skew_ns(zone, clock.utc_ns())
    place = Place(listen=listen, connect=connect, append=append, pty=pty)
    target = None if connect is None else target_of(connect, found)
    spoken_to = append is None and not isinstance(target, MqttEndpoint)
    if options and not spoken_to:
        raise UsageError("--option belongs to readers that are spoken to, not to a file or topic")
    emulator: Emulator = Recorder(found.encode)
    if spoken_to:
        emulator = emulator_of(found, options)
    host = EmulatorHost(emulator, clock, skew_ns=skew, faults=faults)
    source = Plan(file=file, runners=runners, rate=rate, speed=speed, seed=seed, seconds=seconds)
    player = _player(found, host, source)
    asyncio.run(_serve(found, host, place, target, player))


def emulator_of(driver: Driver, options: tuple[str, ...]) -> Emulator:
    """Return the software reader with its options, each ``KEY=VALUE``.

    Raises:
        UsageError: One is not so, or the emulator does not take it.
    """
    try:
        return driver.emulator(options_in(options))
    except ValueError as error:
        raise UsageError(f"--option: {error}") from None


async def _serve(
    driver: Driver,
    host: EmulatorHost,
    place: Place,
    target: TcpEndpoint | MqttEndpoint | None,
    player: Callable[[], Awaitable[None]],
) -> None:
    async with asyncio.TaskGroup() as group:
        if place.listen is not None:
            name, port = parse_listen(place.listen)
            port = await host.listen(name, port)
            click.echo(f"{driver.title} on {name}:{port}; Ctrl-C ends it.", err=True)
        else:
            link = group.create_task(_link(host, place, target), name="link")
            await asyncio.sleep(0)  # the link is made, or it cannot be
            if link.done():
                return
            where = place.connect or place.append or place.pty
            to = "to" if place.pty is None else "on"
            click.echo(f"{driver.title} {to} {where}; Ctrl-C ends it.", err=True)
        group.create_task(host.run(), name="time")
        group.create_task(_report(host), name="report")
        await player()
        click.echo(f"All {host.sighted} reads are out; still answering.", err=True)


def _link(
    host: EmulatorHost, place: Place, target: TcpEndpoint | MqttEndpoint | None
) -> Coroutine[None, None, None]:
    match target:
        case TcpEndpoint():
            return connect_out(host, target)
        case MqttEndpoint():
            return publish_to(host, target)
        case None if place.append is not None:
            return append_to(host, place.append)
        case None:
            return host.serve_pty(place.pty or Path())


async def _report(host: EmulatorHost) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        click.echo(f"{host.sighted} reads, {host.clients} connections", err=True)


def _player(driver: Driver, host: EmulatorHost, source: Plan) -> Callable[[], Awaitable[None]]:
    if source.file is not None:
        reads = list(reads_in(driver, source.file))
        return lambda: play_file(host, reads, source.speed)
    if source.runners is not None:
        return lambda: play_race(driver, host, source)
    return lambda: play_rate(driver, host, source)


async def play_rate(driver: Driver, host: EmulatorHost, source: Plan) -> None:
    """Let random chips cross at a steady rate, for ever."""
    chance = random.Random(source.seed)  # noqa: S311 - a made-up race
    count = 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await asyncio.sleep(max(0.0, began + count / source.rate - loop.time()))
        chip = driver.example_chip(chance.randint(1, 500))
        await host.sight(_now(host, chip, rssi=round(chance.uniform(-75, -45), 1)))
        count += 1


async def play_race(driver: Driver, host: EmulatorHost, source: Plan) -> None:
    """Let a made-up field cross one finish line."""
    runners = people(source.runners or 1, source.seed)
    race = plan(runners, [Mat("finish", 1.0)], seconds=source.seconds, seed=source.seed)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for sight in race.sights:
        due_s = sight.at_ns / NS_PER_S / source.speed
        await asyncio.sleep(max(0.0, began + due_s - loop.time()))
        chip = driver.example_chip(sight.bib)
        await host.sight(_now(host, chip, rssi=sight.rssi, antenna=sight.antenna))


async def play_file(host: EmulatorHost, reads: list[Read], speed: float) -> None:
    """Send recorded reads at their own pace (divided by `speed`), with their own stamps.

    Nothing is sent before somebody listens: a recording has a first line that counts.
    """
    await host.met.wait()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for read in reads:
        due_s = max(0.0, (read.stamp - reads[0].stamp) / NS_PER_S / speed)
        await asyncio.sleep(max(0.0, began + due_s - loop.time()))
        await host.sight(
            Sighting(
                chip=read.chip,
                stamp=read.stamp,
                antenna=read.antenna or 1,
                rssi=read.rssi if read.rssi is not None else -60.0,
                seq=read.seq or host.sighted + 1,
            )
        )


def _now(host: EmulatorHost, chip: Chip, *, rssi: float, antenna: int = 1) -> Sighting:
    stamp = host.now_ns // (10 * NS_PER_MS) * (10 * NS_PER_MS)
    return Sighting(chip=chip, stamp=stamp, antenna=antenna, rssi=rssi, seq=host.sighted + 1)


def reads_in(driver: Driver, file: Path) -> Iterator[Read]:
    """Yield the reads of JSON Lines (as `decode` prints them) or of a capture.

    Raises:
        UsageError: There is no read in it.
    """
    data = file.read_bytes()
    lines = data.lstrip()[:1] == b"{" and looks_like(data[:_HEAD]) is not Form.JSON
    reads = list(_json_reads(data)) if lines else list(_captured(driver, file))
    if not reads:
        raise UsageError(f"{file} holds no read that {driver.title} could send")
    yield from reads


def _captured(driver: Driver, file: Path) -> Iterator[Read]:
    opening = Opening()
    session = driver.session(opening)
    with file.open("rb") as source:
        head = source.read(_HEAD)
        source.seek(0)
        form = form_for(driver, opening, head, file.name)
        for piece in pieces_for(driver, form, source, head):
            if piece.source is Source.READER:
                yield from (e for e in session.feed(piece.data) if isinstance(e, Read))


def _json_reads(data: bytes) -> Iterator[Read]:
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row.get("kind", "read") != "read" or row.get("time") is None:
                continue
            moment = datetime.fromisoformat(row["time"])
            yield Read(
                b"",
                Chip(str(row["chip"])),
                _naive_ns(moment),
                StampForm.NAIVE,
                row.get("antenna"),
                row.get("rssi"),
                None,
                row.get("seq"),
            )
        except (ValueError, KeyError, AttributeError) as error:
            raise UsageError(
                f"line {number} is not a read such as "
                f'{{"chip": "058000128608", "time": "2026-03-06T20:27:47.350"}} ({error})'
            ) from None


def _naive_ns(moment: datetime) -> int:
    since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000


def zone_skew_ns(zone: str, utc_ns: int) -> int:
    """Return local wall clock minus UTC in a zone at an instant.

    Raises:
        UsageError: There is no such zone.
    """
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        raise UsageError(f"there is no zone {zone!r}; write for example America/Denver") from None
    return utc_ns - ZoneClock(zone).to_utc(utc_ns, utc_ns)
