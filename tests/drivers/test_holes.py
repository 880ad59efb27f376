"""Numbers that have not come: bounded, asked for in turn, given up at last."""

from drivers.holes import MOST_HOLES, Holes


def spans(holes: Holes) -> list[tuple[int, int, int]]:
    return [(hole.first, hole.last, hole.asked) for hole in holes]


def test_what_comes_fills_a_hole_from_either_end_and_in_the_middle() -> None:
    holes = Holes([(1, 5), (9, 9), (7, 6)])
    assert [holes.fill(number) for number in (1, 5, 3, 9, 6, 3)] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
    assert holes.pairs() == [[2, 2], [4, 4]]


def test_an_empty_span_is_no_hole() -> None:
    holes = Holes()
    holes.add(5, 4)
    assert holes.next() is None


def test_what_was_asked_for_least_comes_first_and_is_given_up_at_last() -> None:
    holes = Holes([(1, 3), (5, 6)])
    assert holes.asked(1, 3, most=2) == 0
    first = holes.next()
    assert first is not None
    assert (first.first, first.size) == (5, 2)
    assert holes.asked(2, 2, most=2) == 3, "the rest of a hole shares its fate"
    assert spans(holes) == [(5, 6, 0)]
    holes.clear()
    assert spans(holes) == []


def test_there_are_never_too_many() -> None:
    holes = Holes((number, number) for number in range(0, 10_000, 2))
    assert len(spans(holes)) == MOST_HOLES
    for number in range(20_000, 21_000, 2):
        holes.add(number, number)
    assert len(spans(holes)) == MOST_HOLES
    assert holes.fill(0)
    assert holes.fill(20_998), "none is forgotten"
    assert holes.fill(20_100)
