"""`results` and `why`: what came out, and why."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json, show_table
from bridge.cli.service import carry_out
from bridge.errors import UsageError

Row = Mapping[str, Any]


class _Results(click.Group):
    """`results` alone, `results EVENT`, or one of its sub-commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [arg for arg in args if not arg.startswith("-")]
        if not words or words[0] not in self.commands:
            args = ["show", *args] if "--help" not in args and "-h" not in args else args
        return super().parse_args(ctx, args)


@click.group(cls=_Results)
def results() -> None:
    """Show results: `results [EVENT]`, `results export FILE`, `results preview`."""


@results.command(short_help="Show results, finishers in order of place.")
@click.argument("event", required=False)
@json_option
@click.pass_obj
def show(invocation: Invocation, event: str | None, *, as_json: bool) -> None:
    """Show the results of EVENT, or of all events: finishers in order of place."""
    found = carry_out(invocation, "results", {"event": event}, changes=False)
    if as_json:
        show_json(found)
        return
    for block in found:
        totals = block["totals"]
        click.echo(
            f"{block['event']}: {totals['finished']} finished, {totals['on_course']} on course, "
            f"{totals['started']} started"
        )
        show_table(
            ("place", "bib", "name", "status", "clock", "chip", "splits"),
            (_shown(row) for row in block["rows"]),
            empty="Nobody yet.",
        )


def _shown(row: Row) -> tuple[object, ...]:
    splits = ", ".join(f"{s['split'] or s['location']} {s['chip_time']}" for s in row["splits"])
    status = "" if row["status"] == "finished" else row["status"].replace("_", " ")
    return (
        row["place"],
        row["bib"],
        row["name"],
        status,
        row["clock_time"],
        row["chip_time"],
        splits,
    )


@results.command(short_help="Show what would be posted.")
@click.argument("event", required=False)
@json_option
@click.pass_obj
def preview(invocation: Invocation, event: str | None, *, as_json: bool) -> None:
    """Show what differs from what the results service has, as it would be posted."""
    rows = carry_out(invocation, "preview", {"event": event}, changes=False)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("bib", "name", "would post", "refused before"),
        (
            (
                row["bib"],
                row["name"],
                ", ".join(f"{key} {value}" for key, value in row["fields"].items()),
                row["refused"],
            )
            for row in rows
        ),
        empty="Nothing to post: the service has everything.",
    )


FORMATS = ("csv", "json", "runsignup-csv")


@results.command(short_help="Write results to a file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--event", help="Only this event.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.pass_obj
def export(invocation: Invocation, file: Path, *, event: str | None, form: str) -> None:
    """Write results to FILE (`-`: standard output).

    csv has every split as a column; runsignup-csv has the columns of RunSignup's result import.
    """
    found = carry_out(invocation, "results", {"event": event}, changes=False)
    if form == "json":
        import orjson  # noqa: PLC0415

        text = orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"
    else:
        text = _csv(found, plain=form == "runsignup-csv")
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    click.echo(f"{sum(len(block['rows']) for block in found)} rows written to {file}.", err=True)


def _csv(blocks: Iterable[Row], *, plain: bool) -> str:
    out = io.StringIO()
    rows = [(block, row) for block in blocks for row in block["rows"]]
    places = [] if plain else sorted({s["location"] for _, row in rows for s in row["splits"]})
    writer = csv.writer(out)
    head = ["place", "bib", "registration_id", "name", "status", "clock_time", "chip_time"]
    writer.writerow(
        ["Place", "Bib", "Clock Time", "Chip Time"] if plain else ["event", *head, *places]
    )
    for block, row in rows:
        if plain:
            if row["clock_time"] is not None:
                writer.writerow([row["place"], row["bib"], row["clock_time"], row["chip_time"]])
            continue
        splits = {split["location"]: split["chip_time"] for split in row["splits"]}
        fixed = [row[name] for name in head]
        writer.writerow([block["event"], *fixed, *(splits.get(place) for place in places)])
    return out.getvalue()


@click.command()
@click.argument("bib", type=int, required=False)
@click.option("--chip", help="Instead of a bib: a chip as it was read.")
@json_option
@click.pass_obj
def why(invocation: Invocation, bib: int | None, *, chip: str | None, as_json: bool) -> None:
    """Show every read of BIB, whether it counts, and the rule that decided."""
    if (bib is None) == (chip is None):
        raise click.UsageError("Say which: `chip-bridge why BIB` or `why --chip CHIP`.")
    found = carry_out(invocation, "why", {"bib": bib, "chip": chip}, changes=False)
    if as_json:
        show_json(found)
        return
    for block in found:
        for line in _about(block):
            click.echo(line)
        days = {(r["at"] or "")[:10] for r in block["reads"]}
        cut = slice(11, 23) if len(days) == 1 else slice(5, 23)
        show_table(
            ("time", "location", "reader", "chip", "state", "why"),
            (
                ((r["at"] or "")[cut], r["location"], r["reader"], r["chip"], r["state"], r["why"])
                for r in block["reads"]
            ),
            empty="No read of this runner here.",
        )


def _about(block: Row) -> Iterator[str]:
    person = block.get("participant")
    if person is None:
        return
    yield f"{person['name']}, bib {person['bib']}, chips {', '.join(person['chips']) or 'none'}"
    result = block.get("result")
    if result is not None:
        times = f"clock {result['clock_time'] or '-'}, chip {result['chip_time'] or '-'}"
        note = ", no start read: chip time is clock time" if result["no_start_read"] else ""
        yield f"{result['status']}: {times}{note}"
