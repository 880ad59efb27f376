"""Lines of files with an Ultra's reads, so that a log saved by hand can be taken in.

- RFIDServer export: ``port,chip,bib,"time",reader,port``; the time is a time of day (the hour may
  have one digit) or date and time; one tool writes UTF-16LE.
- PikaTimer backup: ``reader,chip,chip,"YYYY-MM-DD HH:MM:SS.mmm",reader,port``, or with tabs
  ``chip time reader port``.

Such a line has no log number and no box, so its identity is (chip, time). Source: PikaTimer
(PikaRFIDFileReader), Chronokeep (LogImporter).
"""

import re
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm

_TIME: Final = r"(?:(\d{4})-(\d\d)-(\d\d) )?(\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
_QUOTED: Final = re.compile(
    rf'\d{{1,3}},([!-+\--~]{{1,64}}),[^,"]{{0,64}},"{_TIME}",\d{{1,3}},(\d{{1,3}})', re.ASCII
)
_TABBED: Final = re.compile(rf"([!-~]{{1,64}})\t{_TIME}\t\d{{1,3}}\t(\d{{1,3}})", re.ASCII)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""


def decode(raw: bytes) -> Read | None:
    """Return the read of one line with whatever line end, or None: it is none of these."""
    text = raw.replace(b"\0", b"").decode("latin-1").strip("\xff\xfe\xef\xbb\xbf\r\n")
    found = _QUOTED.fullmatch(text) or _TABBED.fullmatch(text)
    if found is None:
        return None
    chip, year, month, day, hour, minute, second, fraction, port = found.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:  # noqa: PLR2004
        return None
    stamp = ((int(hour) * 60 + int(minute)) * 60 + int(second)) * NS_PER_S
    stamp += int((fraction or "").ljust(9, "0"))
    form = StampForm.TIME_OF_DAY
    if year is not None:
        if not _FIRST_YEAR <= int(year) <= _LAST_YEAR:
            return None
        try:
            stamp += (date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY) * DAY_NS
        except ValueError:
            return None
        form = StampForm.NAIVE
    return Read(raw, Chip(chip), stamp, form, int(port) or None)
