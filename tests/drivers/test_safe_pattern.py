"""Expressions of a configuration: those that could hang are refused, the others mean the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.safe_pattern import MAX_LINE, PatternError, compile_safely

HANGS = [
    r"(a+)+b",
    r"(a*)*b",
    r"(?:a|a)*b",
    r"(?:a|ab)+c",
    r"(?:a?){30}a{30}",
    r"(?:\w+\s?)*x",
    r"(?:[0-9]+,)*x",
    r"(?:){5,}",
    r".*.*x",
    r".*,.*,.*x",
    r"\w+.*\d+Z",
    r"a*a*a*b",
    r"(?i)[a-z]*K\w*[a-z]*!",
]
NOT_TAKEN = [
    (r"a(?=b)", "position 1"),
    (r"(a)\1", "position 3"),
    (r"(?P<a>x)(?P=a)", "position 8"),
    (r"\bword", "position 0"),
    (r"a*+b", "position 2"),
    (r"(?>ab)", "position 0"),
    (r"a)", "position 1"),
    (r"[a", "position 0"),
    (r"a{3,2}", "position"),
    ("(" * 3_000, "position|recursion"),
]
TAKEN = [
    (r"(?P<chip>[0-9A-F]{4,24});(?P<time>\S+ \S+);(?P<antenna>\d)", "E2;1 2;3", False),
    (r"(?P<chip>(?:[0-9A-F]{2}){4,12}),(?P<time>.+)", "E2003412,1", True),
    (r"(?i)tag:(?P<chip>[a-f0-9]+) at (?P<time>[^ ]+).*", "TAG:AB at 1 x", True),
    (r"(?:,\d+)?(?:,\d+)?(?:,\d+)?", ",1,2", True),
    (r"^a|bc?d$", "bd", True),
    (r"\x41\t\-\.[]a^-]{,2}[^\W\d_]\S\D", "A\t-.]axyz", True),
    (r"a{2}b{1,}c{}", "aabbc{}", True),
    (r"a+?b??c", "aac", True),
    (r".*", "é€", True),
    (r"(?i)K", "\u212a", False),
]


@pytest.mark.parametrize("text", HANGS)
def test_what_could_hang_is_refused(text: str) -> None:
    with pytest.raises(PatternError, match="repet"):
        compile_safely(text)


@pytest.mark.parametrize(("text", "said"), NOT_TAKEN)
def test_what_is_not_taken_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PatternError, match=said):
        compile_safely(text)


@pytest.mark.parametrize(("text", "line", "matches"), TAKEN)
def test_what_is_taken_means_what_it_says(text: str, line: str, matches: bool) -> None:  # noqa: FBT001
    compiled, _ = compile_safely(text)
    assert (compiled.fullmatch(line) is not None) == matches


def test_names_have_their_positions() -> None:
    assert compile_safely(r"(?P<chip>\d+);(?:(?P<time>.))")[1] == {"chip": 4, "time": 21}


ATOMS = st.sampled_from(["a", "b", ",", r"\d", r"\w", "[^,]", ".", "(?:ab)", "(?:a|b)", "(?:a,)?"])
SIGNS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,9}", "*?"])


@given(
    parts=st.lists(st.tuples(ATOMS, SIGNS), max_size=8),
    unit=st.sampled_from(["a", "ab", "1", ",", "a,", "b1"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_taken_comes_to_an_end_on_a_long_line(
    parts: list[tuple[str, str]], unit: str
) -> None:
    """A line of one thing over and over is the worst there is; the test's limit would end it."""
    text = "".join(atom + sign for atom, sign in parts)
    try:
        compiled, _ = compile_safely(text + "!")
    except PatternError:
        return
    line = (unit * MAX_LINE)[:MAX_LINE]
    assert compiled.fullmatch(line) is None
