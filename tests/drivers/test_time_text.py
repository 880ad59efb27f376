"""Times in every form a configuration may name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, StampForm
from drivers.time_text import TimeText, offset_ns, time_mistake

TEN = 1_778_320_800_000_000_000
"""2026-05-09T10:00:00Z."""
TEN_O_CLOCK = 10 * 3600 * NS_PER_S
UTC, NAIVE, CLOCK = StampForm.UTC, StampForm.NAIVE, StampForm.TIME_OF_DAY


@pytest.mark.parametrize(
    ("form", "zone", "text", "stamp"),
    [
        ("iso", None, "2026-05-09T10:00:00Z", (TEN, UTC)),
        ("iso", None, "2026-05-09 10:00:00,25", (TEN + NS_PER_S // 4, NAIVE)),
        ("iso", "naive", "2026-05-09T10:00:00Z", (TEN, UTC)),
        ("iso", "utc", "2026-05-09T10:00:00", (TEN, UTC)),
        ("iso", "+02:00", "2026-05-09T12:00:00", (TEN, UTC)),
        ("iso", "+02:00", "2026-05-09T10:00:00Z", (TEN, UTC)),
        ("iso", "-03:30", "2026-05-09T06:30:00", (TEN, UTC)),
        ("iso", "+02:00", "1970-01-01T00:00:00", None),
        ("iso", None, "10:00:00", None),
        ("epoch_s", None, "1778320800", (TEN, UTC)),
        ("epoch_s", None, "1778320800.5", (TEN + NS_PER_S // 2, UTC)),
        ("epoch_ms", None, "1778320800001", (TEN + NS_PER_MS, UTC)),
        ("epoch_ms", "naive", "1778320800001", (TEN + NS_PER_MS, NAIVE)),
        ("epoch_s", "+01:00", "1778324400", (TEN, UTC)),
        ("epoch_us", None, "1778320800000001", (TEN + 1_000, UTC)),
        ("epoch_ns", None, "1778320800000000001", (TEN + 1, UTC)),
        ("epoch_ns", None, "9999999999999999999", None),
        ("epoch_s", None, "-5", None),
        ("time_of_day", None, "10:00:00", (TEN_O_CLOCK, CLOCK)),
        ("time_of_day", "naive", "9:59:59.999999999", (TEN_O_CLOCK - 1, CLOCK)),
        ("time_of_day", None, "24:00:00", None),
        ("time_of_day", None, "10:60:00", None),
        ("none", None, "whatever", (0, StampForm.ABSENT)),
        ("%d.%m.%Y %H:%M:%S.%f", None, "09.05.2026 10:00:00", (TEN, NAIVE)),
        ("%d.%m.%Y %H:%M:%S.%f", "utc", "9.5.2026 10:00:00,5", (TEN + NS_PER_S // 2, UTC)),
        ("%d.%m.%Y %H:%M:%S", None, "31.02.2026 10:00:00", None),
        ("%Y-%m-%d %H:%M:%S", None, "1969-05-09 10:00:00", None),
        ("%Y-%m-%d %H:%M:%S %z", None, "2026-05-09 12:00:00 +0200", (TEN, UTC)),
        ("%Y-%m-%d %H:%M:%S%z", "+05:00", "2026-05-09 10:00:00Z", (TEN, UTC)),
        ("%Y-%m-%d %H:%M:%S%z", None, "1970-01-01 00:00:00+01:00", None),
        ("%y%m%d%H%M%S", None, "260509100000", (TEN, NAIVE)),
        ("%d %b %Y %I:%M %p", None, "9 May 2026 10:00 AM", (TEN, NAIVE)),
        ("%I:%M:%S %p", None, "12:00:00 am", (0, CLOCK)),
        ("%I:%M:%S %p", None, "1:00:00 PM", (13 * 3600 * NS_PER_S, CLOCK)),
        ("%I:%M:%S %p", None, "13:00:00 PM", None),
        ("%H%%%M", None, "10%00", (TEN_O_CLOCK, CLOCK)),
        ("auto", None, "2026-05-09T10:00:00Z", (TEN, UTC)),
        ("auto", None, "1778320800", (TEN, UTC)),
        ("auto", None, "1778320800.25", (TEN + NS_PER_S // 4, UTC)),
        ("auto", None, "1778320800250", (TEN + NS_PER_S // 4, UTC)),
        ("auto", None, "1778320800000001", (TEN + 1_000, UTC)),
        ("auto", None, "1778320800000000001", (TEN + 1, UTC)),
        ("auto", "naive", "1778320800", (TEN, NAIVE)),
        ("auto", "naive", "2026-05-09T10:00:00Z", (TEN, UTC)),
        ("auto", "+02:00", "2026/05/09 12:00:00", (TEN, UTC)),
        ("auto", None, "09.05.2026 10:00:00", (TEN, NAIVE)),
        ("auto", None, "20260509100000", (TEN, NAIVE)),
        ("auto", None, "10:00:00.000", (TEN_O_CLOCK, CLOCK)),
        ("auto", None, "03/04/2026 10:00:00", None),
        ("auto", None, "42", None),
        ("auto", None, "", None),
    ],
)
def test_a_time_is_read(
    form: str, zone: str | None, text: str, stamp: tuple[int, StampForm] | None
) -> None:
    assert time_mistake(form) is None
    assert TimeText(form, zone).read(text) == stamp


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("noon", "allowed: auto, iso"),
        ("%H:%M:%H", "%H at position 6 is twice"),
        ("%H:%Q", "%Q at position 3 is unknown"),
        ("%H:%M %", "% at position 6 is unknown"),
        ("%H:%S", "needs an hour and a minute"),
        ("%I:%M", "go together"),
        ("%H %p:%M", "go together"),
        ("%H %I %p:%M", "go together"),
        ("%d.%m. %H:%M", "needs year, month and day"),
        ("%d.%m.%Y %y %H:%M", "twice"),
        ("%d.%m %b.%Y %H:%M", "twice"),
    ],
)
def test_a_wrong_form_is_refused_with_its_place(form: str, said: str) -> None:
    assert said in (time_mistake(form) or "")


@pytest.mark.parametrize(
    ("zone", "east"),
    [("utc", 0), ("+05:30", 19_800 * NS_PER_S), ("-0100", -3_600 * NS_PER_S), ("CET", None)],
)
def test_a_zone_is_so_far_east(zone: str, east: int | None) -> None:
    assert offset_ns(zone) == east


FORMS = [
    ("iso", "utc"),
    ("iso", None),
    ("auto", "+02:00"),
    ("epoch_us", None),
    ("epoch_us", "-08:00"),
    ("%d-%m-%y %I:%M:%S.%f %p", "utc"),
    ("%d %b %Y %H:%M:%S,%f%z", None),
]


@pytest.mark.parametrize(("form", "zone"), FORMS)
@given(us=st.integers(10**15, 3 * 10**15))
@settings(max_examples=40, deadline=None)
def test_what_is_printed_is_what_is_read(form: str, zone: str | None, us: int) -> None:
    text = TimeText(form, zone)
    assert text.read(text.print(us * 1_000)) == (us * 1_000, UTC)


@given(us=st.integers(0, 3 * 10**15))
@settings(max_examples=40, deadline=None)
def test_a_time_of_day_is_printed_without_its_day(us: int) -> None:
    text = TimeText("time_of_day")
    assert text.read(text.print(us * 1_000)) == (us * 1_000 % DAY_NS, CLOCK)
    assert TimeText("none").print(us) == ""


def test_many_days_do_not_fill_the_memory() -> None:
    text = TimeText("%Y-%m-%d %H:%M")
    stamps = {text.read(f"{year}-01-01 00:00") for year in range(1980, 2180)}
    assert len(stamps) == 200
