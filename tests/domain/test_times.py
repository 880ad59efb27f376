import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.rules import Rounding
from bridge.domain.times import clock_text, parse_duration, seconds_text

roundings = st.sampled_from(Rounding)
durations = st.integers(0, 100 * 3600 * NS_PER_S)
decimals = st.integers(0, 3)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0:00:00.0"),
        (1_020_010 * NS_PER_MS, "0:17:00.1"),
        (59_960 * NS_PER_MS, "0:01:00.0"),
        (3_599_950 * NS_PER_MS, "1:00:00.0"),
        (108_131_400 * NS_PER_MS, "30:02:11.4"),
        (1, "0:00:00.1"),
        (100 * NS_PER_MS, "0:00:00.1"),
    ],
)
def test_tenths_rounded_up_with_hours_always(ns: int, text: str) -> None:
    assert clock_text(ns) == text


@pytest.mark.parametrize(
    ("rounding", "places", "text"),
    [
        (Rounding.UP, 0, "0:00:02"),
        (Rounding.DOWN, 0, "0:00:01"),
        (Rounding.NEAREST, 0, "0:00:01"),
        (Rounding.UP, 2, "0:00:01.45"),
        (Rounding.DOWN, 2, "0:00:01.44"),
        (Rounding.NEAREST, 2, "0:00:01.45"),
        (Rounding.NEAREST, 3, "0:00:01.445"),
    ],
)
def test_each_rounding_and_number_of_decimals(rounding: Rounding, places: int, text: str) -> None:
    assert clock_text(1_445 * NS_PER_MS, places, rounding) == text


def test_half_a_unit_is_nearest_to_the_longer_one() -> None:
    assert clock_text(500 * NS_PER_MS, 0, Rounding.NEAREST) == "0:00:01"
    assert clock_text(500 * NS_PER_MS - 1, 0, Rounding.NEAREST) == "0:00:00"


def test_a_negative_duration_has_a_sign_and_decimals_have_a_limit() -> None:
    assert clock_text(-1_500 * NS_PER_MS) == "-0:00:01.5"
    with pytest.raises(ValueError, match="0 to 3"):
        clock_text(0, 4)


@given(durations, decimals, roundings)
def test_text_read_back_is_the_multiple_of_the_unit_that_the_rounding_says(
    ns: int, places: int, rounding: Rounding
) -> None:
    unit = 10 ** (9 - places)
    back = parse_duration(clock_text(ns, places, rounding))
    assert back % unit == 0
    match rounding:
        case Rounding.UP:
            assert 0 <= back - ns < unit
        case Rounding.DOWN:
            assert 0 <= ns - back < unit
        case Rounding.NEAREST:
            assert abs(back - ns) * 2 <= unit


@given(durations, durations, decimals, roundings)
def test_rounding_keeps_the_order(a: int, b: int, places: int, rounding: Rounding) -> None:
    shorter, longer = sorted((a, b))
    texts = [clock_text(ns, places, rounding) for ns in (shorter, longer)]
    assert parse_duration(texts[0]) <= parse_duration(texts[1])


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0:17:00.1", 1_020_100 * NS_PER_MS),
        ("17:00.10", 1_020_100 * NS_PER_MS),
        ("00:17:00,1", 1_020_100 * NS_PER_MS),
        (" 59.999 ", 59_999 * NS_PER_MS),
        ("75", 75 * NS_PER_S),
        ("130:00:00", 130 * 3600 * NS_PER_S),
    ],
)
def test_other_spellings_are_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    "text", ["", "DNF", "1:60:00", "1:75", "1:00:00:00", "-1", "1.", "\u0661:00"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|more than 59"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 s"), (12_300 * NS_PER_MS, "12.3 s"), (60 * NS_PER_S, "60 s"), (-5_000_000, "-0.005 s")],
)
def test_seconds_for_reasons(ns: int, text: str) -> None:
    assert seconds_text(ns) == text
