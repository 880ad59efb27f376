"""A clock that was set, told from an answer that was slow."""

import pytest

from bridge.domain.reads import NS_PER_S
from drivers.clock_steps import ClockSteps


@pytest.mark.parametrize(
    ("stamp_s", "asked_s", "came_s", "way"),
    [
        (110, 10, 10, None),
        (110, 10, 40, None),
        (112, 10, 10, None),
        (108, 10, 10, None),
        (115, 10, 10, "forward"),
        (104, 10, 10, "back"),
        (3_710, 10, 10, "forward"),
    ],
)
def test_steps(stamp_s: int, asked_s: int, came_s: int, way: str | None) -> None:
    steps = ClockSteps()
    assert steps.told(100 * NS_PER_S, 0, 0) == []
    found = steps.told(stamp_s * NS_PER_S, asked_s * NS_PER_S, came_s * NS_PER_S)
    assert [step.detail for step in found] == ([f"the clock was set {way}"] if way else [])


def test_a_first_answer_that_took_long_leaves_room_for_the_second() -> None:
    steps = ClockSteps()
    steps.told(100 * NS_PER_S, 0, 30 * NS_PER_S)  # told at some moment of these thirty seconds
    assert steps.told(140 * NS_PER_S, 40 * NS_PER_S, 40 * NS_PER_S) == []
    [step] = steps.told(100 * NS_PER_S, 50 * NS_PER_S, 50 * NS_PER_S)
    assert (step.before, step.after) == (140 * NS_PER_S, 100 * NS_PER_S)
