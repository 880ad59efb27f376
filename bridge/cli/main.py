"""The command `chip-bridge`: a table of commands whose modules are imported when called."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple

import click

from bridge.cli.errors import guarded
from bridge.cli.invocation import Invocation, config_option


class Row(NamedTuple):
    """One command: where it lives, and its line in the help of the group."""

    place: str
    """``module:command``."""
    help: str


COMMANDS: Final[Mapping[str, Row]] = {
    "run": Row("bridge.cli.run:run", "Run the service."),
    "status": Row("bridge.cli.status:status", "Show what the running service is doing."),
    "gun": Row("bridge.cli.operate:gun", "Record the gun time of an event or wave."),
    "mark": Row("bridge.cli.operate:mark", "Record DNS, DNF, DQ, a crossing, a swap."),
    "results": Row("bridge.cli.results:results", "Show, preview or export results."),
    "why": Row("bridge.cli.results:why", "Show every read of a runner with its reason."),
    "participants": Row(
        "bridge.cli.participants:participants", "Pull, list, find, import participants."
    ),
    "reads": Row("bridge.cli.reads:reads", "Export and import raw reads as JSON Lines."),
    "replay": Row("bridge.cli.reads:replay", "Run exported reads through the timing once more."),
    "check": Row("bridge.cli.check:check", "Go or no-go: everything a race needs, tried now."),
    "emulate": Row("bridge.cli.emulate:emulate", "Be a reader made of software."),
    "sandbox": Row("bridge.cli.sandbox:sandbox", "Be the results service, made of software."),
    "demo": Row("bridge.cli.demo:demo", "Rehearse a whole race on this machine."),
    "init": Row("bridge.cli.init:init", "Ask a few questions and write a commented bridge.toml."),
    "decode": Row("bridge.cli.decode:decode", "Show what a reader's bytes mean, as JSON Lines."),
}
"""In the order of the help. A module has only to define the command: ``--config`` is added here."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the table."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row.place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        _accept_config(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with those there are."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}; there are: {', '.join(COMMANDS)}.", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in COMMANDS.items()])


def _accept_config(command: click.Command) -> None:
    """Let ``--config`` stand behind the command too, and behind each of its sub-commands."""
    if not any(parameter.name == "config_path" for parameter in command.params):
        command.params.append(config_option())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_config(inner)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 -- only who asks pays for it

        click.echo(f"chip-bridge {version('chip-bridge')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    params=[config_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def chip_bridge(ctx: click.Context) -> None:
    """RFID race timing: chip reads in, live splits and finishes out."""
    ctx.ensure_object(Invocation)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    return guarded(lambda: chip_bridge.main([*arguments], "chip-bridge", standalone_mode=False))
