"""`gun` and `mark`: what an operator says of the race."""

from collections.abc import Mapping

import click

from bridge.cli.invocation import Invocation
from bridge.cli.output import json_option, show_json
from bridge.cli.service import carry_out


@click.command()
@click.argument("event")
@click.argument("time", required=False)
@click.option("--wave", metavar="NAME", help="Only this wave (corral).")
@click.option("--undo", is_flag=True, help="Take the last gun back.")
@json_option
@click.pass_obj
def gun(
    invocation: Invocation,
    event: str,
    time: str | None,
    *,
    wave: str | None,
    undo: bool,
    as_json: bool,
) -> None:
    """Record T0 of EVENT (id or name) at TIME; without TIME: now.

    TIME is local: HH:MM:SS, HH:MM:SS.mmm of the race day, or YYYY-MM-DDTHH:MM:SS. Everything
    follows: results are computed anew and what changed is posted again. The last gun wins.

    \b
    chip-bridge gun 10K
    chip-bridge gun 10K 08:30:12.4
    chip-bridge gun 10K 08:34:00 --wave "Corral B"
    chip-bridge gun 10K --undo
    """  # noqa: D301 - click wants the real character
    asked = {"event": event, "time": time, "wave": wave, "undo": undo or None}
    _say(carry_out(invocation, "gun", _given(asked), changes=True), as_json=as_json)


@click.command()
@click.argument("bib", type=int)
@click.argument("kind", metavar="dns|dnf|dq|crossing|ignore|swap")
@click.argument("rest", nargs=-1, metavar="[LOCATION] [TIME] | OTHER_BIB")
@click.option("--note", metavar="TEXT", help="Kept with the mark.")
@click.option("--undo", is_flag=True, help="Take the last such mark of the bib back.")
@json_option
@click.pass_obj
def mark(
    invocation: Invocation,
    bib: int,
    kind: str,
    rest: tuple[str, ...],
    *,
    note: str | None,
    undo: bool,
    as_json: bool,
) -> None:
    """Record a fact about BIB. Nothing is deleted: a mark can be taken back with --undo.

    \b
    chip-bridge mark 12 dnf
    chip-bridge mark 12 crossing finish 09:12:33.4    seen by eye, no chip read
    chip-bridge mark 12 ignore 5k 08:51:10            this crossing does not count
    chip-bridge mark 12 swap 13                       they wore each other's chips
    chip-bridge mark 12 dnf --undo
    """  # noqa: D301 - click wants the real character
    asked: dict[str, object] = {"bib": bib, "kind": kind, "note": note, "undo": undo or None}
    asked |= _rest(kind, rest)
    _say(carry_out(invocation, "mark", _given(asked), changes=True), as_json=as_json)


def _rest(kind: str, rest: tuple[str, ...]) -> dict[str, object]:
    if kind == "swap":
        times, places, others = [], [], [*rest]
    else:
        times = [word for word in rest if word[:1].isdigit() and ":" in word]
        places, others = [word for word in rest if word not in times], []
    for words in (times, places, others):
        if len(words) > 1:
            raise click.UsageError(f"Too many words behind {kind!r}: {' '.join(words[1:])}.")
    if others:
        return {"other_bib": others[0]}
    return {"location": next(iter(places), None), "time": next(iter(times), None)}


def _given(asked: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in asked.items() if value is not None}


def _say(result: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        show_json(result)
        return
    made = result["mark"]
    if not isinstance(made, Mapping):
        raise TypeError(made)
    words = [str(made["kind"])]
    told = ("bib", "event", "wave", "location")
    words += [f"{name} {made[name]}" for name in told if name in made]
    if "other_bib" in made:
        words.append(f"with bib {made['other_bib']}")
    if "at" in made:
        words.append(f"at {made['at']}")
    verb = "Taken back" if made["undone"] else "Recorded"
    click.echo(f"{verb}: {', '.join(words)} (mark {made['id']}).")
