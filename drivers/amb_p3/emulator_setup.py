"""Options of the emulated decoder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "dialect": ("p3", "ascii"),
    "model": ("rc", "prochip"),
    "resend": ("answer", "error", "silent"),
}
_KNOWN: Final = (*_CHOICES, "decoder", "first_number", "utc", "utc_offset_s", "cut")
_DECODER: Final = re.compile(r"[0-9A-Fa-f]{8}")
_MOST_NUMBER: Final = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a decoder is made and set.

    Attributes:
        dialect: ``p3``, or ``ascii`` as on serial ports.
        model: ``rc``, or ``prochip``: other status fields, and the transponder's printed code.
        resend: A request for old passings is answered, refused or ignored.
        decoder: The id, 8 hexadecimal digits.
        first_number: The number of the first passing.
        utc: It has GPS and tells UTC as well.
        utc_offset_us: What is added to its clock to get UTC.
        cut: Frames arrive in pieces of 5 to 90 bytes.
    """

    dialect: str = "p3"
    model: str = "rc"
    resend: str = "answer"
    decoder: str = "13180400"
    first_number: int = 157_777
    utc: bool = False
    utc_offset_us: int = 0
    cut: bool = False


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return checked emulator options.

    Raises:
        ValueError: One is unknown or cannot be so; the text says what is allowed.
    """
    for name, value in options.items():
        if name not in _KNOWN:
            raise ValueError(f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"option {name!r}: allowed are {', '.join(_CHOICES[name])}")
    decoder = str(options.get("decoder", "13180400"))
    if not _DECODER.fullmatch(decoder):
        raise ValueError("option 'decoder': allowed are 8 hexadecimal digits")
    return Setup(
        dialect=str(options.get("dialect", "p3")),
        model=str(options.get("model", "rc")),
        resend=str(options.get("resend", "answer")),
        decoder=decoder.upper(),
        first_number=_whole(options, "first_number", 157_777, range(1, _MOST_NUMBER)),
        utc=_switch(options, "utc"),
        utc_offset_us=_whole(options, "utc_offset_s", 0, range(-50_400, 50_401)) * 1_000_000,
        cut=_switch(options, "cut"),
    )


def _switch(options: Mapping[str, object], name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"option {name!r}: allowed are true, false")  # noqa: TRY004 - one kind
    return value


def _whole(options: Mapping[str, object], name: str, default: int, allowed: range) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise ValueError(f"option {name!r}: allowed is {allowed.start} to {allowed.stop - 1}")
    return value
