"""`chip-bridge decode`: what a reader's bytes mean, one JSON object per event."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from bridge.app.captures import Form, Piece
from bridge.app.decoding import Decoding, Shown
from bridge.app.recordings import form_for, pieces_for
from bridge.cli.invocation import Invocation
from bridge.cli.option_words import options_in
from bridge.driver_api import Driver, Opening
from bridge.errors import NotFound, UsageError

_FULL = 65_536
"""Bytes of output written at once, and of a file by which its container is told."""


@click.command()
@click.argument("driver")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--chunk", type=click.IntRange(min=1), help="Feed this many bytes at a time.")
@click.option(
    "--as",
    "--format",
    "container",
    type=click.Choice(["auto", *(form.value for form in Form)]),
    default="auto",
    show_default=True,
    help="The container of the capture; joined: line ends were not on the wire.",
)
@click.option(
    "--link",
    type=click.Choice(["tcp", "serial"]),
    default="tcp",
    show_default=True,
    help="The link the bytes came over, where the protocol differs.",
)
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE",
              help="An option of the reader, as in its [[reader]]; may be repeated.")  # fmt: skip
@click.option("--json", "_as_json", is_flag=True, expose_value=False, help="JSON Lines, as always.")
@click.pass_obj
def decode(
    invocation: Invocation,
    driver: str,
    *,
    file: Path | None,
    chunk: int | None,
    container: str,
    link: str,
    options: tuple[str, ...],
) -> int:
    """Put the bytes of FILE (or of the standard input) through the driver DRIVER.

    Prints one JSON object per event, and on stderr an account of every byte. Nothing is sent to
    any reader.

    FILE has what the reader sent, or is a hex dump, a transcript, rows of segments or of JSON with
    both sides; which of these is found out by what the driver understands, or said with --as.

    \b
    chip-bridge decode ipico race.log
    nc 10.0.0.51 10000 | chip-bridge decode ipico
    chip-bridge decode line reads.txt --option "separator=;" --option "time=%H:%M:%S.%f"
    """  # noqa: D301 - click wants the real character
    drivers = invocation.drivers()
    if driver not in drivers.names():
        raise UsageError(drivers.unknown(driver))
    found = drivers.find(driver)
    opening = Opening(link=link, options=_checked(found, options))
    decoding = Decoding(found, opening, chunk)
    with _opened(file) as source:
        counted = _Counted(source)
        head = source.peek(_FULL) if hasattr(source, "peek") else b""
        name = "" if file is None else file.name
        form = form_for(found, opening, head, name) if container == "auto" else Form(container)
        parts = pieces_for(found, form, counted, head)
        _print(_events(decoding, parts), eager=form is Form.RAW)
    account = decoding.account
    click.echo(account.text(), err=True)
    balanced = account.file == counted.taken and account.reader == account.events
    if not balanced:
        click.echo(f"The account does not balance: {counted.taken} bytes were read.", err=True)
    return 0 if balanced else 1


def _checked(driver: Driver, words: Iterable[str]) -> Mapping[str, object]:
    """Return the options that words tell; `UsageError` where the driver does not take them."""
    options = options_in(words)
    complaints = driver.check_options(options)
    if complaints:
        raise UsageError(f"--option: {'; '.join(complaints)}")
    return options


class _Counted:
    """Counts what is taken from a file, apart from the account it has to agree with."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken = 0

    def readline(self, limit: int = -1, /) -> bytes:
        data = self._file.readline(limit)
        self.taken += len(data)
        return data

    def read1(self, size: int = -1, /) -> bytes:
        data: bytes = self._file.read1(size)  # type: ignore[attr-defined]  # buffered files have it
        self.taken += len(data)
        return data


def _opened(file: Path | None) -> AbstractContextManager[BinaryIO]:
    if file is None or str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return file.open("rb", buffering=_FULL)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error


def _events(decoding: Decoding, parts: Iterable[Piece]) -> Iterator[Shown | None]:
    """Yield events, and None wherever the input may let us wait."""
    for piece in parts:
        yield from decoding.feed(piece)
        yield None
    yield from decoding.finish()


def _print(events: Iterable[Shown | None], *, eager: bool) -> None:
    """Write JSON Lines in large pieces, or with `eager` whenever the input may let us wait."""
    out = sys.stdout.buffer
    lines = bytearray()
    for shown in events:
        if shown is not None:
            lines += orjson.dumps(shown, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
        if len(lines) >= _FULL or (shown is None and eager and lines):
            out.write(lines)
            out.flush()
            lines.clear()
    out.write(lines)
    out.flush()


def _plain(value: object) -> str:
    """Return what a driver put into `extra` and JSON does not know."""
    return value.hex() if isinstance(value, bytes) else str(value)
