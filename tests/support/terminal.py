"""A person at a terminal: answers questions as they appear."""

import os
import pty
import select
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 20.0
_TRIES = 10
INTERRUPT = "\x03"
"""Ctrl-C."""


def converse(
    arguments: Sequence[str | Path],
    answers: Sequence[tuple[str, str]],
    *,
    environ: Mapping[str, str],
    cwd: Path,
) -> tuple[int, str]:
    """Run a command on a terminal; type each answer once its question has appeared.

    Returns the exit code and all that was shown.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        # Whoever started the tests in the background let SIGINT be ignored from there on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(cwd)
        os.execve(arguments[0], [str(word) for word in arguments], dict(environ))  # noqa: S606
    shown = ""
    try:
        for question, answer in answers:
            seen = len(shown)
            while question not in shown[seen:]:
                more = _read(terminal)
                if not more:
                    raise AssertionError(f"{question!r} was never asked: {shown!r}")
                shown += more
            os.write(terminal, answer.encode())
        insists = bool(answers) and answers[-1][1] == INTERRUPT
        while more := _read(terminal, insists=insists):
            shown += more
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown


def _read(terminal: int, *, insists: bool = False) -> str:
    """Return what is shown next; who `insists` presses Ctrl-C again where nothing happens.

    The first one is lost if it comes between Python's last look for signals and its read.
    """
    for _ in range(_TRIES):
        ready, _, _ = select.select([terminal], [], [], _PATIENCE_S / _TRIES)
        if ready:
            break
        if insists:
            os.write(terminal, INTERRUPT.encode())
    else:
        raise AssertionError("the command neither asks nor ends")
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # the other side of a terminal is gone
        return ""
