"""Tables of a race's store, and how its connections are set.

Only the writer's connection writes and check-points: with two connections of which one
check-points, SQLite before 3.51 can reset the write-ahead log under the other and corrupt the file.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from bridge.errors import JournalError

VERSION: Final = 3
PAGE_SIZE: Final = 1024
"""A commit writes whole pages. At 100 reads/s in 20 commits 1 KiB costs 1.9 KB of card per read,
2 KiB 2.1, 4 KiB 3.0; half a KiB would cost 1.5, but most crossings would overflow their page."""
CHECKPOINT_PAGES: Final = 4000
CACHE_PAGES: Final = 500
"""Of each connection: the journal is appended to, and what is read back is read once."""

_TABLES: Final = """
CREATE TABLE events(
    id INTEGER PRIMARY KEY, session INTEGER, kind INTEGER, utc_ns INTEGER, boot_ns INTEGER,
    chip TEXT, stamp INTEGER, form INTEGER, antenna INTEGER, rssi REAL, seq INTEGER, key TEXT,
    raw BLOB, note TEXT);
CREATE TABLE sessions(
    id INTEGER PRIMARY KEY, reader TEXT, driver TEXT, location TEXT, link TEXT, boot_id TEXT,
    opened_ns INTEGER, synchronised INTEGER);
CREATE TABLE samples(
    id INTEGER PRIMARY KEY, session INTEGER, utc_ns INTEGER, boot_ns INTEGER, rtt_ns INTEGER,
    stamp INTEGER, form INTEGER, step INTEGER);
CREATE TABLE crossings(seq INTEGER PRIMARY KEY, anchor INTEGER, location TEXT, payload BLOB);
CREATE INDEX crossings_anchor ON crossings(anchor);
CREATE TABLE memories(reader TEXT PRIMARY KEY, memory TEXT) WITHOUT ROWID;
CREATE TABLE segments(segment INTEGER PRIMARY KEY, level INTEGER, bits INTEGER, upto INTEGER);
CREATE TABLE blocks(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE marks(
    id INTEGER PRIMARY KEY, kind TEXT, made_at INTEGER, author TEXT, event_id INTEGER, wave TEXT,
    bib INTEGER, other_bib INTEGER, location TEXT, at INTEGER, note TEXT);
CREATE TABLE undone(mark INTEGER PRIMARY KEY, author TEXT, made_at INTEGER);
CREATE TABLE roster(
    registration_id INTEGER PRIMARY KEY, event_id INTEGER, bib INTEGER, chips TEXT,
    first_name TEXT, last_name TEXT, wave TEXT, start_ns INTEGER, gender TEXT, age INTEGER);
CREATE TABLE assignments(registration_id INTEGER PRIMARY KEY, bib INTEGER, chips TEXT);
CREATE TABLE cursors(event_id INTEGER PRIMARY KEY, cursor INTEGER);
CREATE TABLE posts(
    event_id INTEGER, registration_id INTEGER, fields TEXT, refused TEXT, attempted TEXT,
    PRIMARY KEY(event_id, registration_id)) WITHOUT ROWID;
CREATE TABLE remote(
    site TEXT, id TEXT, seq INTEGER, location TEXT, chip TEXT, at INTEGER, withdrawn INTEGER,
    PRIMARY KEY(site, id)) WITHOUT ROWID;
CREATE TABLE ranges(
    name TEXT, first INTEGER, last INTEGER, PRIMARY KEY(name, first)) WITHOUT ROWID;
CREATE TABLE origin_sessions(
    store TEXT, session INTEGER, local INTEGER, PRIMARY KEY(store, session)) WITHOUT ROWID;
CREATE TABLE notes(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""

_RUNS: Final = ""
"""Version 2 has rows of kind 9 in `events` (see `runs`), which version 1 would pass over."""

_NO_ANCHORS: Final = "DROP INDEX crossings_anchor"
"""Asked for when a crossing vanishes: reading all messages costs less than a page per commit."""

MIGRATIONS: Final[tuple[str, ...]] = (_TABLES, _RUNS, _NO_ANCHORS)
"""Script n brings a file of version n to n + 1; a released script is never changed."""

UUID_NOTE: Final = "store.uuid"
"""Name of the note (JSON text) that tells this store from every other."""
FLOOR_NOTE: Final = "store.floor"
"""First free numbers when a fresh file took over from a damaged one: ``[event, session, seq]``."""
COMMIT_NOTE: Final = "store.commit"
"""Token of the last commit that no event row proves (see `jobs.has_landed`)."""
SALVAGE_NOTE: Final = "store.salvage"
"""Damaged files still to be read through: JSON list of ``[path, next page]``."""


class StoreTooNew(JournalError):  # noqa: N818
    """The file was written by a newer chip-bridge."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the one writing connection; the file may be new.

    Raises:
        sqlite3.Error: The disk refuses, or the file is damaged.
        StoreTooNew: The file is of a later version than this program knows.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=1.0, cached_statements=64
    )
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA synchronous = FULL")
        # before there is a log: page 1 of the file itself must tell whose it is from the start
        _migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchall()
        limit = 2 * CHECKPOINT_PAGES * PAGE_SIZE
        connection.execute(f"PRAGMA journal_size_limit = {limit}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can not write."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1.0
    )
    connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
    return connection


def touch_first_page(connection: sqlite3.Connection) -> None:
    """Put page 1, which says whose file it is, into the log (see `pages.log_is_foreign`)."""
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreTooNew(
            f"{path} was written by a newer chip-bridge (store version {version}, this one knows"
            f" {VERSION}): install that version again, or use another data_dir"
        )
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            connection.execute(statement)
    if version == 0:
        owner = int.from_bytes(os.urandom(4), "big", signed=True)
        connection.execute(f"PRAGMA application_id = {owner}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
