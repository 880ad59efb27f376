"""The last word on every failure: one plain sentence on stderr and an exit code."""

import os
import sys
from collections.abc import Callable, Iterator

import click

from bridge.errors import BridgeError, ConfigError, UsageError

DONE = 0
FAILED = 1
WRONG_USAGE = 2
WRONG_CONFIG = 78
"""EX_CONFIG of sysexits.h: the unit's `RestartPreventExitStatus`."""
TRACEBACK = "CHIP_BRIDGE_TRACEBACK"
"""Set in the environment, it shows where an unexpected fault happened."""


def guarded(work: Callable[[], object]) -> int:
    """Run a command and return its exit code; never lets an exception through.

    A command that returns an `int` has chosen its exit code.
    """
    try:
        result = work()
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 -- the outermost frame: nobody is left to tell
        return _report(error)
    return result if isinstance(result, int) else DONE


def _report(error: BaseException) -> int:
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else DONE
        case click.exceptions.Exit():
            return error.exit_code
        case click.UsageError():
            _say_usage(error)
            return WRONG_USAGE
        case click.ClickException():
            _say(error.format_message())
            return FAILED
        case click.Abort() | KeyboardInterrupt():
            _say("Stopped.")
            return FAILED
        case BrokenPipeError():
            _drop_output()
            return FAILED
        case BaseExceptionGroup():
            return _report_group(error)
        case _:
            return _report_one(error)


def _report_group(group: BaseExceptionGroup[BaseException]) -> int:
    """Report what ended a TaskGroup: each of our own errors once, or the first unexpected one."""
    leaves = list(_leaves(group))
    own = [leaf for leaf in leaves if isinstance(leaf, BridgeError)]
    for leaf in leaves:
        if not isinstance(leaf, BridgeError):
            return _report(leaf)
    codes = [_report_one(leaf) for leaf in {str(leaf): leaf for leaf in own}.values()]
    return max(codes)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _report_one(error: BaseException) -> int:
    match error:
        case ConfigError():
            _say(str(error))
            return WRONG_CONFIG
        case UsageError():
            _say(str(error))
            return WRONG_USAGE
        case BridgeError():
            _say(str(error))
            return FAILED
        case OSError(filename=str(name), strerror=str(reason)):
            _say(f"{name}: {reason}.")
            return FAILED
        case _:
            return _unexpected(error)


def _say_usage(error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    command = error.ctx.command_path if error.ctx else "chip-bridge"
    _say(f"{_ended(error.format_message())} See `{command} --help`.")


def _unexpected(error: BaseException) -> int:
    from bridge.app.redact import Redactor  # noqa: PLC0415 -- only a fault pays for it

    if os.environ.get(TRACEBACK):
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    what = Redactor().text(" ".join(str(error).split())) or "no more is known"
    _say(
        f"Something unexpected went wrong ({type(error).__name__}: {what}); please report it, "
        f"with what {TRACEBACK}=1 shows."
    )
    return FAILED


def _ended(text: str) -> str:
    """Return a sentence with its full stop; lists of several lines stay as they are."""
    done = "\n" in text or text[-1:] in {".", "!", "?", ""}
    return text if done else f"{text}."


def _say(text: str) -> None:
    try:
        print(_ended(text), file=sys.stderr, flush=True)  # noqa: T201 -- this is where errors go
    except OSError:
        return


def _drop_output() -> None:
    """Let the interpreter flush into nothing at its end: whoever read our output has left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
