"""Lines that end as each timer likes, and the silence between them."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.timer_lines import TimerLines
from drivers.watch import DEAD_NS, MUTE_NS, POLL_NS, Verdict, Watch
from tests.support.timers import START, S

LIMIT = 16


def waits(text: bytes) -> bool:
    return text.endswith(b"*")


def lines_of(stream: bytes, size: int) -> tuple[list[bytes], bytes]:
    cutter = TimerLines(LIMIT, waits)
    found = []
    for at in range(0, len(stream), size):
        found += cutter.feed(stream[at : at + size])
        assert len(cutter.pending) <= LIMIT
    return found, cutter.pending


def test_a_carriage_return_ends_a_line_at_once() -> None:
    assert lines_of(b"ab\rcd\n\nef\t\r", 99) == ([b"ab\r", b"cd\n", b"\nef\t\r"], b"")


def test_a_line_feed_is_waited_for_where_it_always_comes() -> None:
    assert lines_of(b"ab*\r", 99) == ([], b"ab*\r")
    assert lines_of(b"ab*\r\ncd*\rx", 99) == ([b"ab*\r\n", b"cd*\r"], b"x")


def test_no_end_is_an_overlong_piece() -> None:
    assert lines_of(b"a" * 20, 99) == ([b"a" * 16], b"aaaa")
    assert lines_of(b"\n" * 20, 3) == ([b"\n" * 16], b"\n" * 4)


@given(st.text("a*\r\n", max_size=60).map(str.encode), st.integers(1, 60))
def test_cutting_changes_nothing(stream: bytes, size: int) -> None:
    found, pending = lines_of(stream, size)
    assert b"".join(found) + pending == stream
    assert lines_of(stream, 1) == (found, pending)


def test_who_answered_and_falls_silent_is_dead() -> None:
    watch = Watch()
    watch.begin(START)
    watch.heard(answer=True)
    verdicts = [watch.tick(START + second * S) for second in range(1, 10)]
    assert verdicts[POLL_NS // S - 1] is Verdict.POLL
    assert verdicts[DEAD_NS // S - 1] is Verdict.DEAD


def test_who_never_answered_is_asked_rarely_and_never_dead() -> None:
    watch = Watch()
    watch.begin(START)
    verdicts = [watch.tick(START + second * S) for second in range(1, 600)]
    assert Verdict.DEAD not in verdicts
    assert watch.is_mute
    assert verdicts.count(Verdict.POLL) <= 3 + 600 * S // MUTE_NS
    watch.heard(answer=True)
    assert not watch.is_mute


def test_talk_spares_the_question_unless_it_is_wanted_anyway() -> None:
    for every, asked in ((None, 0), (5 * S, 4)):
        watch = Watch()
        watch.begin(START)
        verdicts = []
        for second in range(1, 21):
            watch.heard(answer=True)
            verdicts.append(watch.tick(START + second * S, every_ns=every))
        assert verdicts.count(Verdict.POLL) == asked
