"""Read secrets that belong to one reader or one forward each: environment, then files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.app.config import Secret

READERS = ("reader", "password")
FORWARDS = ("forward", "secret")
_LONGEST = 4096


def read_passwords(
    environ: Mapping[str, str],
    secrets_dir: Path | None,
    names: Iterable[str],
    *,
    required: bool,
    kind: tuple[str, str] = READERS,
) -> tuple[dict[str, Secret], list[str]]:
    """Return name -> secret, and what is wrong with where they are kept.

    ``CHIP_BRIDGE_READER_<NAME>_PASSWORD`` goes before a file ``reader_<name>_password`` in
    `secrets_dir`, and that before one in systemd's ``$CREDENTIALS_DIRECTORY``. In the names case
    makes no difference, and whatever is neither letter nor digit may be written ``_``.

    Args:
        environ: The process's environment.
        secrets_dir: `bridge.secrets_dir`.
        names: The readers, or forwards, of the configuration.
        required: Whether what cannot be read is a mistake (see `read_secrets`).
        kind: `READERS`, or `FORWARDS`: ``forward_<name>_secret`` and so on.
    """
    found: dict[str, str] = {}
    mistakes: list[str] = []
    before, behind = kind
    variable_name = re.compile(rf"CHIP_BRIDGE_{before.upper()}_(\w+)_{behind.upper()}")
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    for place in (Path(credentials) if credentials else None, secrets_dir):
        if place is not None:
            found.update(_files(place, mistakes, re.compile(rf"{before}_(.+)_{behind}")))
    for variable, value in environ.items():
        if match := variable_name.fullmatch(variable):
            found[_plain(match[1])] = value
    passwords: dict[str, Secret] = {}
    owners: dict[str, str] = {}
    for name in names:
        text = found.get(_plain(name), "").strip()
        if not text:
            continue
        if owners.setdefault(_plain(name), name) != name:
            mistakes.append(
                f"secret {before}_{_plain(name)}_{behind}: is for the {before}s {name!r} and "
                f"{owners[_plain(name)]!r} alike; give them names that differ in more than signs"
            )
        passwords[name] = Secret(text)
    return passwords, mistakes if required else []


def _files(place: Path, mistakes: list[str], name: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if not place.is_dir():  # told of where the other secrets are read
        return found
    try:
        for file in sorted(place.iterdir()):
            if match := name.fullmatch(file.name):
                with file.open(encoding="utf-8") as text:
                    found[_plain(match[1])] = text.read(_LONGEST)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        mistakes.append(f"secrets directory {place}: a password cannot be read: {reason}")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())
