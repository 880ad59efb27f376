"""IPICO readers made of software: which one the options ask for."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Emulator
from drivers.ipico.elite_emulator import EliteEmulator
from drivers.ipico.lite_emulator import LiteEmulator
from drivers.ipico.lite_memory import LiteMemory

FACTORY_LAYOUT: Final = "7ffc6161aa000d0a0000"
_MODES: Final = {"raw": 0, "event": 3, "fsls": 5}
_KNOWN: Final = ("kind", "mode", "recording", "timeout_s", "playback_rate", "layout")


def make(options: Mapping[str, object]) -> Emulator:
    """Return the emulator.

    Options: `kind` lite or elite; for a Lite `mode` raw, event or fsls, `recording` true or
    false, `timeout_s` of the modes, `playback_rate` in lines per second, `layout` (16 or 20 hex
    digits) that query 11 is answered with, to rehearse a reader that somebody reconfigured.

    Raises:
        ValueError: An option is unknown or out of range; the text says what is allowed.
    """
    unknown = [name for name in options if name not in _KNOWN]
    if unknown:
        raise ValueError(f"unknown emulator option {unknown[0]!r}; allowed: {', '.join(_KNOWN)}")
    kind = options.get("kind", "lite")
    if kind not in {"lite", "elite"}:
        raise ValueError(f"emulator option 'kind' is {kind!r}; allowed: lite, elite")
    if kind == "elite":
        extra = [name for name in options if name not in {"kind", "timeout_s"}]
        if extra:
            raise ValueError(f"emulator option {extra[0]!r} is for kind lite; an elite has none")
        return EliteEmulator(timeout_s=_positive(options, "timeout_s", 5))
    mode = options.get("mode", "raw")
    if not isinstance(mode, str) or mode not in _MODES:
        raise ValueError(f"emulator option 'mode' is {mode!r}; allowed: {', '.join(_MODES)}")
    recording = options.get("recording", True)
    if recording is not True and recording is not False:
        raise ValueError(f"emulator option 'recording' is {recording!r}; allowed: true, false")
    return LiteEmulator(
        mode=_MODES[mode],
        timeout_s=_positive(options, "timeout_s", 5),
        layout=_layout(options.get("layout", FACTORY_LAYOUT)),
        memory=LiteMemory(
            recording=recording, playback_rate=_positive(options, "playback_rate", 76)
        ),
    )


def _positive(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"emulator option {name!r} is {value!r}; allowed: a number above 0")
    return float(value)


def _layout(value: object) -> bytes:
    try:
        layout = bytes.fromhex(str(value))
    except ValueError:
        layout = b""
    if len(layout) not in {8, 10}:
        raise ValueError(f"emulator option 'layout' is {value!r}; allowed: 16 or 20 hex digits")
    return layout
