"""What a session leaves to the next one of the same reader, as `Remember` text (JSON)."""

import json
from dataclasses import dataclass
from typing import Final

_dumped: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Where the books stood when the link was lost.

    Attributes:
        kind: ``lite`` or ``elite`` once the reader has proved to be one, else empty.
        written: Write cursor of a Lite when its count and ours last agreed, or None.
        lines: Tag lines received since then.
        downloading: A playback that we started may still be running.
        attempts: Downloads begun for the present gap and not finished.
        replay_from: Stamp (naive ns) from which an Elite still owes a replay, or None.
    """

    kind: str = ""
    written: int | None = None
    lines: int = 0
    downloading: bool = False
    attempts: int = 0
    replay_from: int | None = None

    def text(self) -> str:
        """Return the notes as text."""
        # Field by field: a Lite's books change with everything it sends.
        return _dumped(
            {
                "kind": self.kind,
                "written": self.written,
                "lines": self.lines,
                "downloading": self.downloading,
                "attempts": self.attempts,
                "replay_from": self.replay_from,
            }
        )


def read(memory: str | None) -> Notes:
    """Return the notes in `memory`; what cannot be read counts as never noted."""
    try:
        kept = json.loads(memory) if memory else {}
    except ValueError:
        return Notes()
    if not isinstance(kept, dict):
        return Notes()
    kind = kept.get("kind")
    return Notes(
        kind=kind if kind in {"lite", "elite"} else "",
        written=_count(kept.get("written")),
        lines=_count(kept.get("lines")) or 0,
        downloading=kept.get("downloading") is True,
        attempts=_count(kept.get("attempts")) or 0,
        replay_from=_count(kept.get("replay_from")),
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
