"""Which reader's own log a line seems to be from, so that a wrong `driver` is told at once."""

import re
from typing import Final

_KINDS: Final = (
    (re.compile(r"aa[0-9a-f]{34,36}(?:FS|LS)?", re.IGNORECASE), "ipico"),
    (re.compile(r"#P;\d+;|\d+;[^;]*;\d{4}-\d\d-\d\d;\d\d:\d\d:\d\d\.\d{3};"), "race-result"),
    (re.compile(r"CT01_\d|(?:TO|MK)~|[^,~]+,\d+,[^,]+,\d+,\d{14},"), "chronotrack"),
    (re.compile(r"\d,[^,]+,\d{9,10},\d{1,3},\d{1,2},-?\d+,(?:[^,]*,){5}"), "ultra"),
    (re.compile(r"[^,]*,\d{1,4},[0-9A-Fa-f]{8,124},\d{16},-?\d"), "foxberry"),
    (re.compile(r"\d+;[A-Z]{2};\d{5};\d{4}-|[A-Z]{2}\d{5};\d{4}/"), "macsha"),
    (re.compile(r"\d+[;,]\d\d/\d\d/\d{4} [0-9:.]+[;,][^;,]*[;,][12][;,]"), "timingsense"),
)


def driver_of(text: str) -> str | None:
    """Return the name of the driver that reads such a line, or None."""
    return next((name for form, name in _KINDS if form.match(text)), None)
