"""The wheel as it is installed on a box: in a virtual environment, run from an empty folder."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.command import clean_environ

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "tests/vectors/ipico/lite_trigger_button.segments.tsv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def box(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel; what it depends on is lent by the environment of the tests."""
    home = tmp_path_factory.mktemp("box")
    venv.create(home, with_pip=True)
    pip = [home / "bin/python", "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def run(box: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [box / "bin/chip-bridge", *arguments],
        cwd=folder,
        env=clean_environ() | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=False,
    )


def test_the_wheel_holds_two_packages_and_what_the_service_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    (data,) = (top for top in tops if top.endswith(".data"))
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"bridge", "drivers", data, info}
    assert {"bridge/py.typed", "drivers/py.typed"} <= set(names)
    assert f"{data}/data/share/chip-bridge/config/bridge.example.toml" in names
    assert f"{data}/data/share/chip-bridge/systemd/chip-bridge.service" in names
    assert not [name for name in names if "README" in name or "test" in name.lower()]


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "bridge", "drivers"], cwd=ROOT, check=True, capture_output=True
    )
    wanted = {name for name in tracked.stdout.decode().split() if not name.endswith("README.md")}
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())


def test_the_installed_command_runs_in_an_empty_folder(box: Path, tmp_path: Path) -> None:
    shown = run(box, tmp_path, "--help")
    assert shown.returncode == 0, shown.stderr
    assert b"decode" in shown.stdout
    decoded = run(box, tmp_path, "decode", "ipico", str(CAPTURE))
    assert decoded.returncode == 0, decoded.stderr
    assert json.loads(decoded.stdout.splitlines()[0])["kind"] == "marker"
    written = run(box, tmp_path, "init", "--yes", "--driver=ipico")
    assert written.returncode == 0, written.stderr


def test_the_installed_command_is_not_the_checkout(box: Path, tmp_path: Path) -> None:
    code = "import bridge, drivers; print(bridge.__file__, drivers.__file__)"
    done = subprocess.run(
        [box / "bin/python", "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True
    )
    assert all(place.startswith(str(box)) for place in done.stdout.decode().split())


def test_a_folder_named_like_our_packages_does_not_get_in(box: Path, tmp_path: Path) -> None:
    for name in ("bridge", "drivers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    assert run(box, tmp_path, "decode", "ipico", str(CAPTURE)).returncode == 0


def test_another_package_called_drivers_is_refused(box: Path, tmp_path: Path) -> None:
    (site,) = box.glob("lib/python*/site-packages")
    info = site / "drivers-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drivers\nVersion: 9.9\n")
    (info / "top_level.txt").write_text("drivers\n")
    ours = site / "drivers/__init__.py"
    text = ours.read_text()
    code = "from bridge.cli.errors import guarded; from bridge.cli.installation import *; "
    try:
        done = subprocess.run(
            [box / "bin/python", "-P", "-c", code + "exit(guarded(check_installation))"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 78
        assert b"overwritten by drivers: install chip-bridge into a virtual" in done.stderr
        ours.write_text("")  # what its wheel would have done
        broken = run(box, tmp_path, "decode", "ipico", str(CAPTURE))
        assert broken.returncode == 78
        assert b"overwritten by drivers" in broken.stderr
    finally:
        ours.write_text(text)
        for path in info.iterdir():
            path.unlink()
        info.rmdir()
