"""Running numbers: which came, and where the first hole is."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.sequence import MOST_AHEAD, Sequence

NUMBERS = st.lists(st.integers(1, 40), max_size=60)


@given(numbers=NUMBERS)
def test_it_agrees_with_a_set(numbers: list[int]) -> None:
    book, came = Sequence(), set()
    for number in numbers:
        book.mark(number)
        came.add(number)
        last = next(n for n in range(1, 99) if n not in came) - 1
        above = sorted(n for n in came if n > last)
        assert book.last == last
        assert book.top == max(came)
        assert book.hole == ((last + 1, above[0] - 1) if above else None)
        assert all(book.has(n) == (n in came) for n in range(1, 45))


@given(numbers=NUMBERS)
def test_holes_given_up_one_by_one_leave_none(numbers: list[int]) -> None:
    book = Sequence()
    for number in numbers:
        book.mark(number)
    lost = 0
    while book.hole is not None:
        lost += book.skip()
    assert book.last == book.top == max(numbers, default=0)
    assert lost == book.top - len(set(numbers))
    assert book.skip() == 0


def test_part_of_a_hole_is_given_up() -> None:
    book = Sequence(10)
    book.mark(20)
    assert book.skip(14) == 4
    assert book.hole == (15, 19)
    assert book.skip(500) == 5
    assert book.last == 20


@given(numbers=NUMBERS)
def test_all_holes_up_to_a_number_are_given_up(numbers: list[int]) -> None:
    book = Sequence()
    for number in numbers:
        book.mark(number)
    top = book.top
    book.settle(top)
    assert (book.last, book.top, book.hole) == (top, top, None)
    book.mark(top + 5)
    book.settle(top)
    assert book.hole == (top + 1, top + 4)


def test_it_begins_anew() -> None:
    book = Sequence(10)
    book.mark(20)
    book.begin_at(5)
    assert (book.last, book.top, book.hole) == (4, 4, None)


def test_too_many_behind_a_hole_give_it_up() -> None:
    book = Sequence()
    for number in range(2, MOST_AHEAD + 3):
        book.mark(number)
    assert book.hole is None
    assert book.last == MOST_AHEAD + 2
