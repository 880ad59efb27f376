"""Sets of whole numbers kept as ranges: which seqs of a site, which rows of an import are here."""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable


def add_range(connection: sqlite3.Connection, name: str, first: int, last: int) -> None:
    """Add first..last to the set `name`, joining it to what it touches."""
    touching = connection.execute(
        "SELECT first, last FROM ranges WHERE name = ?1 AND first BETWEEN coalesce((SELECT"
        " max(first) FROM ranges WHERE name = ?1 AND first <= ?2), ?2) AND ?3 + 1",
        (name, first, last),
    ).fetchall()
    joined = [span for span in touching if span[1] >= first - 1]
    if len(joined) == 1 and joined[0][0] <= first:
        if joined[0][1] < last:
            connection.execute(
                "UPDATE ranges SET last = ? WHERE name = ? AND first = ?",
                (last, name, joined[0][0]),
            )
        return
    connection.executemany(
        "DELETE FROM ranges WHERE name = ? AND first = ?", [(name, start) for start, _end in joined]
    )
    lowest = min([first, *(start for start, _end in joined)])
    highest = max([last, *(end for _start, end in joined)])
    connection.execute("INSERT INTO ranges VALUES(?, ?, ?)", (name, lowest, highest))


def add_numbers(connection: sqlite3.Connection, name: str, numbers: Iterable[int]) -> None:
    """Add single numbers to the set `name`."""
    for first, last in runs(numbers):
        add_range(connection, name, first, last)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive numbers, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def holes(spans: Iterable[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Return what of first..last is in none of `spans` (ascending, disjoint)."""
    missing: list[tuple[int, int]] = []
    for start, end in spans:
        if start > last:
            break
        if start > first:
            missing.append((first, start - 1))
        first = max(first, end + 1)
    if first <= last:
        missing.append((first, last))
    return missing


class Spans:
    """A growing set of whole numbers in memory; numbers that come in order take no room."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(spans):
            self._firsts.append(first)
            self._lasts.append(last)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def add(self, number: int) -> None:
        """Take a number that is not in the set."""
        at = bisect_right(self._firsts, number)
        if at and self._lasts[at - 1] == number - 1:
            self._lasts[at - 1] = number
        else:
            self._firsts.insert(at, number)
            self._lasts.insert(at, number)
