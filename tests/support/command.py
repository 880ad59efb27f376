"""Run the installed command as a user does."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMAND = Path(sys.executable).parent / "chip-bridge"


def chip_bridge(
    *arguments: str | Path,
    data: bytes = b"",
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run one command line to its end, without a terminal."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env=clean_environ() | dict(environ or {}),
    )


def clean_environ() -> dict[str, str]:
    """Return our environment without any setting of chip-bridge."""
    return {name: value for name, value in os.environ.items() if "CHIP_BRIDGE" not in name}


def sentence(finished: subprocess.CompletedProcess[bytes], code: int) -> str:
    """Return what a failed command said, having checked that it said it as it should."""
    said = finished.stderr.decode()
    assert finished.returncode == code, said
    assert "Traceback" not in said
    assert said.strip()
    return said


def imported_by(arguments: Sequence[str]) -> set[str]:
    """Return the modules a command line imports."""
    code = (
        "import sys; from bridge.cli.main import run; sys.stdout = sys.stderr; "
        f"run({list(arguments)!r}); print(*sys.modules, file=sys.__stdout__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=clean_environ()
    )
    return set(done.stdout.decode().split())
