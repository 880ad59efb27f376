"""Line numbers agree with what tomllib reads."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.config_lines import Key, lines_of

DOCUMENT = '''\
# a comment with [brackets] and = signs
title = "x # no comment"   # comment
[a]
b = 1
"quoted \\u00e9 key" = 'literal ] } # \\'
a.dotted . "key" = 2026-11-21T08:30:00

[[list]]
name = "one"
inline = { x = 1, y = { z = "}" }, "q=r" = [1, 2] }
[[list.inner]]
k = """
multi ] " "" line
"""
[[list.inner]]
k = \'\'\'
''literal''
\'\'\'
[[list]]
array = [
  # a comment, ]
  { x = 1 },
  { x = [ "a,b",
    "c" ] },   # trailing comma
]
[list.table]
last = true'''


def keys_of(node: object, path: Key = ()) -> set[Key]:
    found = {path} if path else set()
    if isinstance(node, dict):
        for key, value in node.items():
            found |= keys_of(value, (*path, key))
    elif isinstance(node, list):
        for position, value in enumerate(node):
            found |= keys_of(value, (*path, position))
    return found


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_key_has_its_line(ends: str) -> None:
    lines = lines_of(DOCUMENT.replace("\n", ends))
    assert set(lines) == keys_of(tomllib.loads(DOCUMENT))
    source = DOCUMENT.split("\n")
    for path, line in lines.items():
        name = path[-1]
        if isinstance(name, str) and name.isascii():
            assert name in source[line - 1]
    assert lines["list", 0, "inline", "y", "z"] == 10
    assert lines["list", 0, "inner", 1, "k"] == 16
    assert lines["list", 1, "array", 1, "x", 1] == 24
    assert lines["list", 1, "table", "last"] == 27


names = st.text("abcXYZ09_-", min_size=1, max_size=6)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(names, st.one_of(texts, st.integers(), st.lists(texts))), max_size=8))
def test_lines_of_generated_documents(pairs: list[tuple[str, object]]) -> None:
    rows = dict(pairs)
    text = ""
    expected: dict[Key, int] = {}
    for key, value in rows.items():
        expected[(key,)] = text.count("\n") + 1
        shown = repr(value) if isinstance(value, int) else None
        if isinstance(value, str):
            shown = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(value, list):
            shown = "[\n"
            for position, item in enumerate(value):
                expected[key, position] = (text + shown).count("\n") + 1
                shown += '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '",\n'
            shown += "]"
        text += f"{key} = {shown} # ]\n"
    assert tomllib.loads(text) == rows
    found = lines_of(text)
    assert found == expected
