"""`sandbox`: the results services made of software."""

import asyncio
from pathlib import Path

import click

from bridge.adapters.emulator_host import parse_listen
from bridge.adapters.system_clock import SystemClock
from bridge.cli.invocation import Invocation
from bridge.errors import UsageError


@click.command()
@click.option("--listen", default="127.0.0.1:8090", show_default=True, metavar="HOST:PORT")
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE",
              help="Keep everything in FILE, and go on from it.")  # fmt: skip
@click.option("--participants", type=click.Path(path_type=Path, exists=True), metavar="FILE",
              help="CSV or JSON; without it a race is made up.")  # fmt: skip
@click.option("--runners", type=click.IntRange(min=0), default=100, show_default=True)
@click.option("--chips", "driver", default="ipico", show_default=True, metavar="DRIVER",
              help="Made-up runners wear the chips this emulated reader sends.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--fail", "fails", multiple=True, metavar="KIND:SHARE",
              help="Fail on purpose, such as 503:0.2 or reset:0.05; may be repeated.")  # fmt: skip
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="S",
              help="Answer so many seconds late.")  # fmt: skip
@click.option("--down-for", type=click.FloatRange(min=0), default=0.0, metavar="S",
              help="Cut every connection for so long after the start.")  # fmt: skip
@click.pass_obj
def sandbox(
    invocation: Invocation,
    *,
    listen: str,
    state: Path | None,
    participants: Path | None,
    runners: int,
    driver: str,
    seed: int,
    fails: tuple[str, ...],
    latency: float,
    down_for: float,
) -> None:
    """Be the results service until Ctrl-C: RunSignup at /rest, keeping what is posted.

    Point `provider.base_url` at http://HOST:PORT/rest. The keys are in what it prints.
    """
    from bridge.adapters.http_server import bind  # noqa: PLC0415
    from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox  # noqa: PLC0415 - starlette
    from bridge.adapters.sandbox.faults import Faults  # noqa: PLC0415
    from bridge.adapters.sandbox.race import open_race  # noqa: PLC0415
    from bridge.adapters.sandbox.server import serve  # noqa: PLC0415

    drivers = invocation.drivers()
    if driver not in drivers.names():
        raise UsageError(drivers.unknown(driver))
    chip = drivers.find(driver).example_chip
    clock = SystemClock()
    now_s = clock.utc_ns() // 1_000_000_000
    race = open_race(state, participants, runners=runners, seed=seed, chip=chip, now_s=now_s)
    made = Sandbox(
        race,
        clock,
        faults=Faults(fails, seed),
        latency_s=latency,
        down_for_s=down_for,
        state_file=state,
    )
    host, port = parse_listen(listen)
    sock = bind(host, port)
    port = sock.getsockname()[1]
    events = ", ".join(f"{number} ({name})" for number, name in race.events.items())
    click.echo(
        f'RunSignup sandbox: base_url = "http://{host}:{port}/rest", race_id = {race.race_id}, '
        f"events {events}, {len(race.participants)} participants, "
        f"provider_api_key {KEY}, provider_api_secret {SECRET}. What came in: "
        f"http://{host}:{port}/_sandbox/state. Ctrl-C ends it.",
        err=True,
    )
    asyncio.run(serve(made, sock))
