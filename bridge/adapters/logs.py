"""Logs to stderr: one line per change of state, for people or as JSON, without secrets.

Import this module before anything else that imports structlog: it keeps structlog from importing
rich, which only its colourful tracebacks need and which costs more than all the rest of it.
"""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Literal, TextIO

from bridge.app.redact import Redactor

_BLOCKED = "rich" not in sys.modules and "structlog" not in sys.modules
if _BLOCKED:
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog does without, if it must
import structlog  # noqa: E402 -- see above

if _BLOCKED:
    del sys.modules["rich"]

Event = MutableMapping[str, object]
Render = Callable[[object, str, Event], str]
_SEVERITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""syslog(3) levels, which journald reads from the prefix ``<3>``."""
_OWN = ("level", "event", "timestamp", "exception")
_QUIET = ("httpx2", "httpcore2", "asyncio", "uvicorn.access", "transitions", "amqtt")
"""Loggers of libraries that tell each request or packet at level info."""


def configure(
    *,
    form: Literal["console", "json"],
    level: Literal["debug", "info", "warning", "error"],
    secrets: Iterable[str],
    environ: Mapping[str, str],
    stream: TextIO | None = None,
) -> None:
    """Send every log line of ours, and of the libraries below us, to `stream` (stderr).

    Under systemd the journal stamps the lines itself, and takes their level from a prefix.
    """
    stream = sys.stderr if stream is None else stream
    journal = _is_journal(stream, environ)
    render = _as_json if form == "json" else _as_text
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        *([] if journal else [structlog.processors.TimeStamper(fmt="iso", utc=True)]),
        _Mask(Redactor(secrets)),
        _journal_prefix(render) if journal else render,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(level.upper())
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)


class _Mask:
    """Processor: replaces secrets in every value of an event."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        return {key: self._redactor.value(value) for key, value in event.items()}


class _Forward(logging.Handler):
    """Hands what libraries log through the standard library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = structlog.get_logger(record.name)
            level = min(record.levelno, logging.CRITICAL)
            log.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 -- a log line of a library must never stop the bridge
            self.handleError(record)


def _as_text(_logger: object, _method: str, event: Event) -> str:
    line = [str(event[key]) for key in ("timestamp",) if key in event]
    line.append(f"{event.get('level', ''):<7} {event.get('event', '')}")
    line += [f"{key}={_word(value)}" for key, value in event.items() if key not in _OWN]
    text = "  ".join(line)
    return f"{text}\n{event['exception']}" if "exception" in event else text


def _word(value: object) -> str:
    text = str(value)
    plain = text and not any(c.isspace() or c in '"=' or not c.isprintable() for c in text)
    return text if plain else repr(text)


def _as_json(_logger: object, _method: str, event: Event) -> str:
    import orjson  # noqa: PLC0415 -- only those who log JSON pay for it

    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _journal_prefix(render: Render) -> Render:
    def prefixed(logger: object, method: str, event: Event) -> str:
        prefix = f"<{_SEVERITY.get(method, 6)}>"
        return "\n".join(prefix + line for line in render(logger, method, event).splitlines())

    return prefixed


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether `stream` is the socket that systemd named in ``$JOURNAL_STREAM``."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        here = os.fstat(stream.fileno())
    except (OSError, io.UnsupportedOperation):
        return False
    return (device, inode) == (str(here.st_dev), str(here.st_ino))
