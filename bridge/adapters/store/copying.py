"""Copy the store of a race aside, from under a running service."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bridge.adapters.store.opening import store_folder
from bridge.adapters.store.schema import connect_reader
from bridge.errors import JournalError

NAME = "journal.db"


def copy_store(data_dir: Path, to: Path, race: str) -> None:
    """Copy a race's store as it is this moment into another data folder; none is there: no copy.

    Raises:
        JournalError: The file cannot be read, or not be written there.
    """
    source = store_folder(data_dir, race) / NAME
    if not source.exists():
        return
    target = store_folder(to, race)
    target.mkdir(parents=True)
    try:
        with closing(connect_reader(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(target / NAME),))
    except sqlite3.Error as error:
        raise JournalError(f"{source} cannot be copied: {error}") from None
