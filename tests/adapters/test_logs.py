"""Lines as people, programs and the journal read them; secrets in none."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bridge.adapters import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def fail(text: str) -> None:
    raise ValueError(text)


def test_people_read_time_level_event_and_values() -> None:
    stream = io.StringIO()
    logs.configure(form="console", level="info", secrets=[], environ={}, stream=stream)
    structlog.get_logger("x").warning("reader lost", reader="finish-main", why="no answer", n=3)
    structlog.get_logger("x").debug("not shown")
    time, rest = stream.getvalue().split("  ", 1)
    assert time.endswith("Z")
    assert rest == "warning reader lost  reader=finish-main  why='no answer'  n=3\n"


def test_programs_read_json() -> None:
    stream = io.StringIO()
    logs.configure(form="json", level="debug", secrets=[], environ={}, stream=stream)
    structlog.get_logger("x").debug("journal opened", rows=3, path=Path("/x"))
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "journal opened", "level": "debug", "rows": 3, "path": "/x"}


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_secret_is_ever_written(form: str) -> None:
    stream = io.StringIO()
    logs.configure(
        form="json" if form == "json" else "console",
        level="info",
        secrets=["hunter2hunter2"],
        environ={},
        stream=stream,
    )
    log = structlog.get_logger("x")
    log.info("hunter2hunter2", url="mqtt://u:pw@h?rsu_api_key=abcd", deep={"a": ["hunter2hunter2"]})
    logging.getLogger("library").error("posting with %s failed", "hunter2hunter2")
    try:
        fail("refused hunter2hunter2")
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert text.count("***") >= 5
    assert "hunter2" not in text
    assert ":pw@" not in text
    assert "abcd" not in text
    assert "ValueError: refused ***" in text


def test_libraries_log_through_the_same_door() -> None:
    stream = io.StringIO()
    logs.configure(form="console", level="info", secrets=[], environ={}, stream=stream)
    logging.getLogger("uvicorn.error").warning("bad %s", "request")
    logging.getLogger("httpx2").info("told of each request, not shown")
    assert stream.getvalue().endswith("warning bad request  logger=uvicorn.error\n")
    assert stream.getvalue().count("\n") == 1


def test_the_journal_is_given_levels_and_no_times(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        here = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"}
        logs.configure(form="console", level="info", secrets=[], environ=environ, stream=stream)
        structlog.get_logger("x").info("started")
        try:
            fail("broken")
        except ValueError:
            structlog.get_logger("x").exception("failed")
        stream.seek(0)
        lines = stream.read().splitlines()
    assert lines[0] == "<6>info    started"
    assert lines[1] == "<3>error   failed"
    assert lines[-1] == "<3>ValueError: broken"
    assert all(line.startswith("<3>") for line in lines[1:])


def test_start_up_does_not_import_rich() -> None:
    code = (
        "import sys, bridge.adapters.logs; assert 'rich' not in sys.modules; "
        "import structlog, rich; assert rich.get_console"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
