"""Room is made from other races only."""

import os
from pathlib import Path

from bridge.adapters.store.opening import open_store, store_folder
from bridge.adapters.store.retention import retain
from tests.support.store import HostClock

DAY_S = 86_400


def race(data_dir: Path, name: str, days: float) -> Path:
    """A race whose newest file is so many days old."""
    folder = store_folder(data_dir, name)
    folder.mkdir(parents=True)
    moment = HostClock().utc_ns() / 1e9 - days * DAY_S
    for file in ("journal.db", "journal.db.damaged-x"):
        (folder / file).write_bytes(b"x")
        os.utime(folder / file, (moment, moment))
    return folder


def test_only_other_races_older_than_asked_go(tmp_path: Path) -> None:
    old, current, young = (
        race(tmp_path, "old", 40),
        race(tmp_path, "now", 90),
        race(tmp_path, "y", 3),
    )
    said = retain(tmp_path, "now", 30, 0, clock=HostClock())
    assert said == ["race old was deleted: it is 40 days old"]
    assert not old.exists()
    assert current.exists()
    assert young.exists()


def test_when_space_is_short_the_oldest_go_until_there_is_enough(tmp_path: Path) -> None:
    folders = [race(tmp_path, f"r{days}", days) for days in (2, 9, 5)]
    race(tmp_path, "now", 20)

    def free(_path: Path) -> int:
        return 100 if not folders[1].exists() else 10

    said = retain(tmp_path, "now", 30, 50, clock=HostClock(), free_bytes=free)
    assert said == ["race r9 was deleted: space is short"]
    assert [folder.exists() for folder in folders] == [True, False, True]
    assert store_folder(tmp_path, "now").exists()


async def test_a_race_in_use_stays(tmp_path: Path) -> None:
    store = open_store(tmp_path, "busy", clock=HostClock()).store
    race(tmp_path, "old", 40)
    try:
        clock = HostClock()
        clock.ahead_ns = 50 * DAY_S * 10**9
        said = retain(tmp_path, "now", 30, 0, clock=clock)
        assert said[0] == "race old was deleted: it is 90 days old"
        assert "race busy is in use" in said[1]
        assert store_folder(tmp_path, "busy").exists()
    finally:
        await store.close()


def test_a_name_of_a_race_is_only_a_name() -> None:
    data_dir = Path("/data")
    races = data_dir / "races"
    assert store_folder(data_dir, "12345") == races / "12345"
    for name in ("../x", "a/b", "..", ".", "", "é\0"):
        assert store_folder(data_dir, name).parent == races
        assert store_folder(data_dir, name).name not in {"", ".", ".."}
