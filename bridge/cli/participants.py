"""`participants`: who runs, with which bib and chip."""

from pathlib import Path

import click

from bridge.app.people_csv import text_of
from bridge.cli.invocation import Invocation
from bridge.cli.output import MOST_SHOWN, json_option, say_each, show_json, show_table
from bridge.cli.service import carry_out
from bridge.errors import BridgeError, UsageError


@click.group()
def participants() -> None:
    """List and match participants."""


@participants.command()
@click.option("--whole", is_flag=True, help="Ask for everybody anew, not only for news.")
@json_option
@click.pass_obj
def pull(invocation: Invocation, *, whole: bool, as_json: bool) -> None:
    """Ask the results service for its participants now, or read the participants file."""
    if not as_json:
        click.echo("Asking for participants...", err=True)
    asked = {"whole": True} if whole else {}
    found = carry_out(invocation, "participants/pull", asked, changes=True)
    if as_json:
        show_json(found)
        return
    click.echo(
        f"{found['participants']} participants; {found['changed']} new or changed, "
        f"{found['removed']} removed."
    )
    say_each(found["skipped"])


@participants.command("list")
@json_option
@click.pass_obj
def list_all(invocation: Invocation, *, as_json: bool) -> None:
    """List every participant on this box."""
    _people(invocation, "", as_json=as_json)


@participants.command()
@click.argument("text")
@json_option
@click.pass_obj
def find(invocation: Invocation, text: str, *, as_json: bool) -> None:
    """Find participants by bib, chip or part of a name."""
    _people(invocation, text, as_json=as_json)


def _people(invocation: Invocation, text: str, *, as_json: bool) -> None:
    found = carry_out(invocation, "participants", {"find": text}, changes=False)
    if as_json:
        show_json(found)
        return
    show_table(
        ("bib", "name", "chips", "event", "wave", "registration"),
        (
            (
                row["bib"],
                row["name"],
                ", ".join(row["chips"]),
                row["event_id"],
                row["wave"],
                row["registration_id"],
            )
            for row in found
        ),
        empty="No such participant." if text else "No participants yet; try: participants pull",
    )


@participants.command(short_help="List unknown chips, and people without one.")
@json_option
@click.pass_obj
def unmatched(invocation: Invocation, *, as_json: bool) -> None:
    """List chips that were read but belong to nobody, and people without a chip."""
    found = carry_out(invocation, "participants/unmatched", {}, changes=False)
    if as_json:
        show_json(found)
        return
    show_table(("unknown chip",), ((chip,) for chip in found["chips"]), empty="No unknown chips.")
    without = found["participants_without_chip"]
    click.echo(f"{len(without)} participants have no chip.")
    if without:
        shown = without[:MOST_SHOWN]
        show_table(("bib", "name"), ((row["bib"], row["name"]) for row in shown))
    if len(without) > MOST_SHOWN:
        click.echo(f"... and {len(without) - MOST_SHOWN} more; --json lists all.")


@participants.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Who gets chips loses those worn before.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@json_option
@click.pass_obj
def take(
    invocation: Invocation, file: Path, *, replace: bool, dry_run: bool, as_json: bool
) -> None:
    """Import a CSV file with a header.

    With names it brings participants; `bib,chip` alone adds chips to known bibs, several rows per
    bib allowed. What is assigned here is never blanked by a later pull.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    asked = {"csv": text_of(data, str(file)), "dry_run": dry_run, "replace": replace}
    found = carry_out(invocation, "participants/import", asked, changes=True)
    if as_json:
        show_json(found)
        return
    verb = "would be " if dry_run else ""
    click.echo(
        f"{found['rows']} rows: {found['participants']} participants {verb}taken, "
        f"{found['chips_assigned']} people {verb}given a bib or chips."
    )
    say_each(found["complaints"])
    if found["complaints"] and not found["participants"] and not found["chips_assigned"]:
        raise BridgeError("nothing was taken from the file; see the lines above")
