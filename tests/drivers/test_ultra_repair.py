"""What an Ultra sent while nobody listened comes back: by time, by log number, in either form."""

import json

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Chip, Opening, Remember, Send, Sighting
from drivers.ultra import DRIVER
from drivers.ultra.log_book import FAR, LogBook
from tests.support.ultra import NOON, Box


def test_a_dropped_link_is_rewound_by_time_from_before_the_last_read() -> None:
    box = Box()
    box.plug()
    chips = box.cross(1, 5)
    box.wait(3)
    box.pull()
    chips += box.cross(6, 15)
    box.plug()
    box.wait(30)
    assert box.chips == set(chips), "without a live read to show the hole"
    [command] = box.sent(b"800")
    start, end = (int(part) for part in command[3:].split(b"\r"))
    last = NOON // NS_PER_S + 2 - 315_532_800
    assert start == last - 5
    assert end > last + 60
    assert len({read.key for read in box.reads}) == 15


def test_a_box_that_wants_zero_bytes_is_asked_so() -> None:
    box = Box({"rewind_form": "zeros"})
    box.plug()
    box.cross(1, 3)
    box.wait(2)
    box.pull()
    chips = box.cross(4, 8)
    box.plug()
    box.wait(40)
    assert set(chips) <= box.chips
    assert len(box.sent(b"800")) == 1
    assert len(box.sent(b"8\0\0")) == 1
    assert box.sent(b"8\0\0")[0].endswith(b"\r")


def test_a_hole_in_live_records_is_asked_for_by_number() -> None:
    box = Box({"lose_every": 4})
    box.plug()
    chips = box.cross(1, 9)
    box.wait(30)
    assert box.chips == set(chips)
    assert box.sent(b"600") == [b"6004\r4\n", b"6008\r8\n"]
    assert not box.sent(b"800"), "nothing was missed by time"


def test_repair_goes_on_after_our_restart() -> None:
    box = Box({"lose_every": 4})
    box.plug()
    chips = box.cross(1, 9, step_s=0.1)
    memory = box.memory
    assert memory is None or json.loads(memory)["holes"]
    box.wait(1)
    assert box.memory is not None
    assert json.loads(box.memory)["newest"] == 9
    box.pull()
    box.plug()
    box.wait(60)
    assert box.chips == set(chips)
    assert json.loads(box.memory or "")["holes"] == []


def test_what_is_owed_by_time_outlives_a_second_drop() -> None:
    box = Box({"rewind_rate": 0.001})
    box.plug()
    box.cross(1, 3)
    box.wait(2)
    box.pull()
    box.cross(4, 8)
    box.plug()
    box.wait(3)
    box.cross(9, 10)  # live: the last read is a new one now
    box.wait(2)
    owed = json.loads(box.memory or "")["owed"]
    box.pull()
    box.plug()
    box.wait(3)
    assert json.loads(box.memory or "")["owed"] == owed
    starts = [int(command[3:].split(b"\r")[0]) for command in box.sent(b"800")]
    assert starts == [owed, owed]


def test_nothing_is_rewound_on_the_first_connection_ever_unless_wanted() -> None:
    box = Box()
    box.cross(1, 5)
    box.plug()
    box.wait(20)
    assert not box.sent(b"8")
    wants_all = Box(options={"backfill": "all"})
    chips = wants_all.cross(1, 5)
    wants_all.plug()
    wants_all.wait(20)
    assert wants_all.chips == set(chips)


def test_never_rewinds_nothing() -> None:
    box = Box({"lose_every": 2}, {"backfill": "never"})
    box.plug()
    box.cross(1, 6)
    box.pull()
    box.cross(7, 9)
    box.plug()
    box.wait(30)
    assert not box.sent(b"6")
    assert not box.sent(b"8")


def test_a_cleared_log_is_noticed_and_the_book_begins_again() -> None:
    box = Box()
    box.plug()
    box.cross(1, 20)
    other = Box()  # the same box after its log was cleared
    other.memory = box.memory
    other.reads += box.reads
    other.cross(21, 24)
    other.plug()
    other.wait(15)
    other.cross(25, 30)
    other.wait(30)
    assert {f"{11_000 + n}" for n in range(21, 31)} <= other.chips
    assert json.loads(other.memory or "")["newest"] == 10
    assert not other.sent(b"600"), "no number of the old log is asked for"


def test_what_cannot_be_had_is_given_up_with_a_word() -> None:
    box = Box({"lose_every": 3, "rewind_form": "digits", "rewind_rate": 0.0001})
    box.plug()
    box.cross(1, 4)
    box.wait(120)
    assert "1 records" in box.alarms()["missed"]
    asked = len(box.sent(b"6"))
    box.wait(120)
    assert len(box.sent(b"6")) == asked, "not for ever"


def test_a_clock_set_back_meanwhile_does_not_turn_the_span_around() -> None:
    session = DRIVER.session(Opening(last_stamp=NOON))
    session.opened(0)
    session.feed(b"8:0:0 29-5-2026\n")  # four hours before the last read
    [ask] = [e for e in session.tick(NS_PER_S) if isinstance(e, Send) and e.data[:1] == b"8"]
    start, end = (int(part) for part in ask.data[3:].split(b"\r"))
    assert start + 3_600 == end - 60


def test_without_its_time_the_box_is_asked_for_thirty_days() -> None:
    session = DRIVER.session(Opening(last_stamp=NOON))
    session.opened(0)
    sent: list[bytes] = []
    for second in range(1, 12):
        session.feed(b"V=25.0\n")
        sent += [e.data for e in session.tick(second * NS_PER_S) if isinstance(e, Send)]
    [ask] = [data for data in sent if data.startswith(b"8")]
    start, end = (int(part) for part in ask[3:].split(b"\r"))
    assert end - start == 30 * 86_400


def test_a_damaged_last_read_is_had_again() -> None:
    box = Box()
    box.plug()
    box.cross(1, 3)
    session = box._session  # noqa: SLF001 - the wire is damaged, not the box
    assert session is not None
    session.feed(b"0,11004,1464523,7,1,-6\n")
    box.wait(60)
    assert len(box.sent(b"800")) == 1


def test_a_memory_nobody_can_read_counts_as_none() -> None:
    for memory in ("", "[]", "null", "{}", '{"newest": 1}', '{"holes": [[1]]}'):
        book = LogBook(memory, 77)
        assert (book.newest, book.seen_s, list(book.holes)) == (None, 77, [])


class TestLogBook:
    def test_in_order(self) -> None:
        book = self.book(5, 6, 7)
        assert (book.newest, list(book.holes)) == (7, [])

    def test_rewound_records_fill_holes_in_any_order(self) -> None:
        book = self.book(5, 9)
        for log in (7, 6, 8):
            book.came(log, 100, rewound=True)
        assert (book.newest, list(book.holes)) == (9, [])

    def test_one_number_far_off_is_not_believed(self) -> None:
        book = self.book(100, 101, 7, 102, 999_999, 103)
        assert (book.newest, list(book.holes)) == (103, [])

    def test_a_second_one_makes_it_true(self) -> None:
        book = self.book(100, 100 + FAR + 10, 100 + FAR + 11)
        assert book.newest == 100 + FAR + 11
        assert [(hole.first, hole.last) for hole in book.holes] == [(101, 100 + FAR + 9)]
        restarted = self.book(100, 1, 2)
        assert (restarted.newest, list(restarted.holes), restarted.owed_s) == (2, [], 1_000)

    def test_rewound_numbers_never_restart_it(self) -> None:
        book = self.book(100)
        for log in (1, 2, 3):
            book.came(log, 100, rewound=True)
        assert book.newest == 100

    def book(self, *logs: int) -> LogBook:
        book = LogBook(None)
        for at, log in enumerate(logs):
            book.came(log, 1_000 + at, rewound=False)
        return book


def test_memory_is_told_behind_the_reads_it_covers() -> None:
    session = DRIVER.session(Opening())
    session.opened(0)
    [read] = session.feed(DRIVER.encode(Sighting(chip=Chip("11007"), stamp=NOON, seq=7)))
    assert isinstance(read, Read)
    events = session.tick(NS_PER_S)
    assert isinstance(events[0], Remember)
    assert json.loads(events[0].memory)["newest"] == 7


@pytest.mark.parametrize("drops", range(3))
def test_whatever_drops_no_chip_is_missing(drops: int) -> None:
    box = Box({"lose_every": 3 + drops})
    chips: list[str] = []
    for turn in range(4):
        box.plug()
        chips += box.cross(turn * 20 + 1, turn * 20 + 10)
        box.wait(drops)
        box.pull()
        chips += box.cross(turn * 20 + 11, turn * 20 + 20)
    box.plug()
    box.wait(120)
    assert box.chips == set(chips)
