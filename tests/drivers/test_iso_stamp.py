"""Instants as text, and fields of objects nobody vouches for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_S, StampForm
from drivers.iso_stamp import StampReader, print_stamp
from drivers.json_fields import chip_hex, number, present, table, text, whole

TEN = 1_795_255_200 * NS_PER_S
"""2026-11-21T10:00:00Z"""


@pytest.mark.parametrize(
    ("told", "stamp", "form"),
    [
        ("2026-11-21T10:00:00Z", TEN, StampForm.UTC),
        ("2026-11-21 10:00:00.5z", TEN + 500_000_000, StampForm.UTC),
        ("2026-11-21T10:00:00.123+0000", TEN + 123_000_000, StampForm.UTC),
        ("2026-11-21T12:30:00,123456789+02:30", TEN + 123_456_789, StampForm.UTC),
        ("2026-11-21T03:00:00.1234567899-0700", TEN + 123_456_789, StampForm.UTC),
        ("2026-11-21T10:00:00.25", TEN + 250_000_000, StampForm.NAIVE),
    ],
)
def test_instants(told: str, stamp: int, form: StampForm) -> None:
    reader = StampReader()
    assert reader.read(told) == reader.read(told) == (stamp, form)


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        "",
        "now",
        "2026-11-21T10:00Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00+1",
        "2026-02-29T10:00:00Z",
        "2026-11-21T24:00:01Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2262-01-01T00:00:00Z",
        "2026-11-2\u0661T10:00:00Z",
        "2026-11-21T10:00:00Z\n",
    ],
)
def test_what_is_no_instant(told: object) -> None:
    assert StampReader().read(told) is None


@given(st.integers(0, 9_000_000_000 * NS_PER_S))
def test_what_is_printed_is_read(stamp: int) -> None:
    assert StampReader().read(print_stamp(stamp, 9)) == (stamp, StampForm.UTC)
    whole_ms = stamp - stamp % 1_000_000
    assert StampReader().read(print_stamp(stamp, 3, "+0000")) == (whole_ms, StampForm.UTC)
    assert print_stamp(TEN + 5, 0) == "2026-11-21T10:00:00Z"


def test_more_seconds_than_are_remembered() -> None:
    reader = StampReader()
    for second in range(3_000):
        assert reader.read(print_stamp(TEN + second * NS_PER_S, 0)) is not None


def test_fields() -> None:
    assert [whole(one) for one in (0, 7, "12", 3.0, -1, 1.5, True, "x", None, 10**16)] == (
        [0, 7, 12, 3] + [None] * 6
    )
    assert [number(one) for one in (1, "2.5", -51.5, True, "nan", float("inf"), "x", [])] == (
        [1.0, 2.5, -51.5] + [None] * 5
    )
    assert [chip_hex(one) for one in (" 7eda ", "XY", "", 7, "A" * 249)] == ["7EDA"] + [None] * 4
    assert [text(one) for one in ("a b", "a\nb", 7)] == ["a b", "", ""]
    assert table([]) == {}
    assert present({"a": 0, "b": None, "c": ""}) == {"a": 0}
