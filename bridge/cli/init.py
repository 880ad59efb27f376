"""`chip-bridge init`: a first configuration from a few questions or flags."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from bridge.app.first_config import Answers, first_config
from bridge.app.reader_urls import usual_url
from bridge.app.registry import Registry
from bridge.cli.invocation import Invocation
from bridge.driver_api import Driver
from bridge.errors import ConfigError, UsageError


@dataclass(frozen=True, slots=True)
class _Asker:
    """Takes an answer from a flag, else from the person at the terminal, else the default."""

    silent: bool

    def ask(self, question: str, given: str | None, default: str | None) -> str:
        if given is not None:
            return given
        if self.silent:
            if default is None:
                raise UsageError(f"Nobody to ask: {question}? Give it as a flag (see --help).")
            return default
        answer: str = click.prompt(question, default=default, err=True)
        return answer.strip()


@click.command()
@click.option("--site", help="Name of this box, unique in the race.")
@click.option("--driver", help="Kind of reader.")
@click.option(
    "--url",
    help="Where the reader is: tcp://HOST:PORT, serial:///dev/… (the README lists all forms)",
)
@click.option("--location", help="Where its mat is: start, 5k, finish …")
@click.option("--timezone", help="Zone of gun times, for example America/Denver.")
@click.option("--race-id", type=click.IntRange(min=1), help="The race's number at RunSignup.")
@click.option("--event", "events", multiple=True, metavar="ID:NAME", help="May be repeated.")
@click.option("--mqtt", help="Broker, for example mqtt://localhost:1883, or embedded.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; else --config, else ./bridge.toml.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--yes", is_flag=True, help="Ask nothing; take the defaults.")
@click.pass_obj
def init(
    invocation: Invocation, /, output: Path | None, *, force: bool, yes: bool, **given: object
) -> None:
    """Ask a few questions and write a commented bridge.toml.

    What is given as a flag is not asked. Without a terminal nothing is asked at all.
    """
    output = output or invocation.config_path or Path("bridge.toml")
    if output.exists() and not force:
        raise UsageError(f"{output} is already there; --force replaces it, --output names another.")
    drivers = invocation.drivers()
    asker = _Asker(silent=yes or not sys.stdin.isatty())
    answers = _answers(asker, given, drivers)
    text = first_config(answers)
    _prove(text, output, drivers)
    _write(output, text)
    click.echo(
        f"Wrote {output}. Next: put the provider's secrets in place, then `chip-bridge check`.",
        err=True,
    )


def _answers(asker: _Asker, given: dict[str, object], drivers: Registry) -> Answers:
    def flag(name: str) -> str | None:
        value = given[name]
        return None if value is None else str(value)

    driver = _known(drivers, asker.ask(_driver_question(drivers), flag("driver"), None))
    location = asker.ask("Location of its mat", flag("location"), "finish")
    race = asker.ask("Number of the race at RunSignup (0: none)", flag("race_id"), "0")
    mqtt = asker.ask("MQTT broker (none: no MQTT)", flag("mqtt"), "none")
    return Answers(
        driver=driver.name,
        url=asker.ask("Where the reader is", flag("url"), usual_url(driver)),
        location=location,
        site=asker.ask("Name of this box", flag("site"), f"{location}-a"),
        timezone=asker.ask("Time zone of the race", flag("timezone"), _zone_of_host()),
        race_id=_number("The race's number", race) or None,
        events=_events(asker, given),
        mqtt=None if mqtt == "none" else mqtt,
    )


def _driver_question(drivers: Registry) -> str:
    return f"Kind of reader ({', '.join(drivers.names())})"


def _known(drivers: Registry, name: str) -> Driver:
    if name not in drivers.names():
        raise UsageError(drivers.unknown(name))
    return drivers.find(name)


def _zone_of_host() -> str:
    """Return the zone this host is set to, by the link it is usually set with."""
    zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    return zone or "UTC"


def _events(asker: _Asker, given: dict[str, object]) -> list[tuple[int, str]]:
    texts = given["events"]
    if isinstance(texts, tuple) and texts:
        return [_event(str(text)) for text in texts]
    events: list[tuple[int, str]] = []
    while answer := asker.ask("Event as ID:NAME (empty: no more)", None, ""):
        events.append(_event(answer))
    return events


def _event(text: str) -> tuple[int, str]:
    number, colon, name = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"An event is ID:NAME, for example 54321:10K, not {text!r}.")
    return _number("The event's id", number), name.strip()


def _number(what: str, text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdecimal()):
        raise UsageError(f"{what} is a number, not {text!r}.")
    return int(text)


def _prove(text: str, output: Path, drivers: Registry) -> None:
    """Refuse answers that make no working configuration."""
    from bridge.adapters.config_files import config_of  # noqa: PLC0415 -- imports pydantic

    try:
        config_of(text, output, {}, drivers, serving=False)
    except ConfigError as error:
        mistakes = str(error).partition("\n")[2] or str(error)
        raise UsageError(f"These answers make no working configuration:\n{mistakes}") from error


def _write(output: Path, text: str) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
