"""What every command is given: which configuration was asked for, and how to load it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bridge.app.config import Loaded
    from bridge.app.registry import Registry


@dataclass(slots=True)
class Invocation:
    """One call of `chip-bridge`; commands take it with ``@click.pass_obj``."""

    config_path: Path | None = None
    """``--config``, wherever it stood."""

    def drivers(self) -> "Registry":
        """Return the drivers there are.

        Raises:
            ConfigError: Our package `drivers` was overwritten by another.
        """
        from bridge.cli.installation import installed_drivers  # noqa: PLC0415

        return installed_drivers()

    def load(self, *, serving: bool = True) -> "Loaded":
        """Return the configuration.

        `serving=False` is for commands that only talk to the running service: the operator who
        runs them need not be able to read its secrets.

        Raises:
            ConfigError: There is none, or it has mistakes.
        """
        from bridge.adapters.config_files import load_config  # noqa: PLC0415 -- imports pydantic

        return load_config(self.config_path, os.environ, self.drivers(), serving=serving)


def config_option() -> click.Option:
    """Return the option ``--config``, for the group and for each command."""
    return click.Option(
        ["--config", "config_path"],
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        expose_value=False,
        callback=_keep,
        help="The configuration; else $CHIP_BRIDGE_CONFIG, ./bridge.toml, "
        "/etc/chip-bridge/bridge.toml.",
    )


def _keep(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    invocation = ctx.ensure_object(Invocation)
    if value is not None:
        invocation.config_path = value
