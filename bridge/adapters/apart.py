"""Do something in a process of its own, which takes what it imported away with it.

Judging a configuration takes libraries of seventeen megabytes that the service never needs again,
and the time to import them; beside the service's own imports it costs neither.
"""

import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from bridge.errors import BridgeError

T = TypeVar("T")


class Apart(Generic[T]):
    """Work under way in a child process. Begin it before there is a thread or an event loop."""

    def __init__(self, work: Callable[[], T]) -> None:
        """Begin. What `work` returns or raises as a `BridgeError` must be picklable."""
        self._work = work
        self._source, sink = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._source)
            _do(work, sink)
        os.close(sink)

    def result(self) -> T:
        """Wait for the end and return what the work returned, or raise its `BridgeError`.

        Should the child have come to grief otherwise, the work is done here.
        """
        with os.fdopen(self._source, "rb") as source:
            said = source.read()
        if not self._ended_well() or not said:
            return self._work()
        value, error = pickle.loads(said)  # noqa: S301 - our own child wrote it
        if error is not None:
            raise error
        found: T = value
        return found

    def _ended_well(self) -> bool:
        try:
            return os.waitpid(self._child, 0)[1] == 0
        except ChildProcessError:  # whoever started us has set SIGCHLD to be ignored
            return True


def _do(work: Callable[[], T], sink: int) -> None:
    """Write the outcome into the pipe and leave without the parent's farewells."""
    with suppress(BaseException):
        try:
            outcome: tuple[T | None, BridgeError | None] = work(), None
        except BridgeError as error:
            outcome = None, error
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(pickle.dumps(outcome))
    os._exit(0)
