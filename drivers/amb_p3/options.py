"""`[[reader]] options` of AMB and MYLAPS decoders."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHIPS: Final = ("number", "code")
_SWITCHES: Final = ("resend", "zero_crc")
_KNOWN: Final = ("chip", *_SWITCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may say about one decoder.

    Attributes:
        chip: A transponder is known by its ``number``, or by the ``code`` printed on it where
            the decoder sends that.
        resend: Missed passings are asked for again.
        zero_crc: A frame whose CRC is 0000 is taken as it is.
    """

    chip: str = "number"
    resend: bool = True
    zero_crc: bool = False


def parse(options: Mapping[str, object]) -> Options:
    """Return checked options as a value."""
    return Options(
        chip=str(options.get("chip", "number")),
        resend=options.get("resend") is not False,
        zero_crc=options.get("zero_crc") is True,
    )


def complaints(options: Mapping[str, object]) -> list[str]:
    """Return what is wrong with `options`, one sentence per key."""
    found = []
    if options.get("chip", "number") not in CHIPS:
        found.append(f"option 'chip' is {options['chip']!r}; allowed: {', '.join(CHIPS)}")
    found += [
        f"option {name!r} is {options[name]!r}; allowed: true, false"
        for name in _SWITCHES
        if name in options and not isinstance(options[name], bool)
    ]
    found += [
        f"unknown option {name!r}; allowed: {', '.join(_KNOWN)}"
        for name in options
        if name not in _KNOWN
    ]
    return found
