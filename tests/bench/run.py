"""``make bench``: measure the path from read to result, and say which targets are met."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import orjson

from tests.bench import live, parts
from tests.bench.figures import Figure, as_json, median
from tests.bench.machine import calibrate
from tests.bench.stage import Plan

MEASURES: dict[str, Callable[[Plan], list[Figure]]] = {
    "bulk": parts.bulk,
    "throughput": live.throughput,
    "busy": live.busy,
    "latency": live.latency,
    "endurance": live.endurance,
    "decoding": parts.decoding,
    "growth": parts.growth,
    "device": live.device,
}


@click.command()
@click.option("--full", is_flag=True, help="Measure longer: an hour's reads, compressed.")
@click.option("--only", multiple=True, type=click.Choice([*MEASURES]), help="Measure this alone.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def bench(*, full: bool, only: tuple[str, ...], json_path: Path | None) -> None:
    """Measure, and print each figure beside its target. Quick mode takes under ten minutes."""
    began = time.perf_counter()

    def say(text: str) -> None:
        click.echo(f"[{time.perf_counter() - began:4.0f} s] {text}", err=True)

    plan = Plan(full, say)
    units: list[float] = []
    figures: list[Figure] = []
    for name in only or MEASURES:
        units.append(calibrate())
        found = MEASURES[name](plan)
        figures += found
        for figure in found:
            click.echo(figure.line(), err=True)
    units.append(calibrate())
    click.echo("\n".join(_table(figures, units)))
    if json_path is not None:
        said = {"full": full, "unit_s": units, "figures": as_json(figures)}
        json_path.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))


def _table(figures: list[Figure], units: list[float]) -> list[str]:
    judged = [figure.is_met for figure in figures if figure.is_met is not None]
    lines = [figure.line() for figure in sorted(figures, key=lambda figure: figure.item)]
    met = f"{judged.count(True)} of {len(judged)} targets met."
    pace = f"{min(units):.3f} to {max(units):.3f} CPU s, median {median(units):.3f}"
    quiet = "the more it varies, the less quiet the machine was."
    return ["", *lines, "", f"  {met} A fixed loop took {pace}: {quiet}"]


if __name__ == "__main__":
    sys.exit(bench())
