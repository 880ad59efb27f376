"""Work done in a process of its own comes back as if it had been done here."""

import os
import select
import signal
import sys

import pytest

from bridge.adapters.apart import Apart
from bridge.errors import ConfigError


def test_what_the_work_returns_comes_back() -> None:
    assert Apart(lambda: {"reads": [1, 2]}).result() == {"reads": [1, 2]}


def test_what_it_imports_stays_there() -> None:
    def work() -> bool:
        import colorsys  # noqa: F401, PLC0415 - nobody else wants it

        return "colorsys" in sys.modules

    sys.modules.pop("colorsys", None)
    assert Apart(work).result()
    assert "colorsys" not in sys.modules


def test_its_error_is_ours() -> None:
    def work() -> None:
        raise ConfigError("two mistakes:\nthis\nthat")

    with pytest.raises(ConfigError, match="two mistakes:\nthis\nthat"):
        Apart(work).result()


def test_a_child_that_dies_costs_nothing_but_time() -> None:
    here = os.getpid()

    def work() -> str:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return "done here"

    assert Apart(work).result() == "done here"


def test_much_comes_back_too() -> None:
    assert len(Apart(lambda: "x" * 10_000_000).result()) == 10_000_000


def test_a_child_that_dies_while_it_answers_costs_nothing_but_time() -> None:
    here = os.getpid()

    def work() -> str:
        return "done here" if os.getpid() == here else "x" * 10_000_000

    loading = Apart(work)
    select.select([loading._source], [], [])  # noqa: SLF001 - it has begun to answer
    os.kill(loading._child, signal.SIGKILL)  # noqa: SLF001
    assert loading.result() == "done here"


def test_nobody_need_wait_for_children() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert Apart(lambda: 5).result() == 5
    finally:
        signal.signal(signal.SIGCHLD, before)
