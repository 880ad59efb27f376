"""Read the secrets: environment first, then files named like them."""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import create_model
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError

from bridge.app.config import Secret, Secrets

PREFIX = "CHIP_BRIDGE_"
_OTHER = frozenset({"CHIP_BRIDGE_CONFIG"})


class _Base(BaseSettings):
    model_config = SettingsConfigDict(extra="forbid", frozen=True)


_NAMES = tuple(secret.name for secret in fields(Secrets))
_OPTIONAL: dict[str, Any] = dict.fromkeys(_NAMES, (str | None, None))
_Settings = create_model("_Settings", __base__=_Base, **_OPTIONAL)


class _Environ(EnvSettingsSource):
    """The environment we were given, not the process's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): value for name, value in environ.items()}
        super().__init__(_Settings, env_prefix=PREFIX)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environ


def read_secrets(
    environ: Mapping[str, str], secrets_dir: Path | None, *, required: bool
) -> tuple[Secrets, list[str]]:
    """Return the secrets there are, and what is wrong with the places they are kept in.

    Args:
        environ: ``CHIP_BRIDGE_<NAME>``; also names systemd's ``$CREDENTIALS_DIRECTORY``.
        secrets_dir: `bridge.secrets_dir`; goes before the credentials directory.
        required: Whether a place that cannot be read is a mistake; it is none for a command that
            an operator runs who may not read what the service may.
    """
    mistakes: list[str] = []
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    given = _files(Path(credentials), mistakes) if credentials else {}
    # The unit puts an empty credential in the place of each that is not there.
    values = {name: value for name, value in given.items() if str(value).strip()}
    if secrets_dir is not None:
        values.update(_files(secrets_dir, mistakes))
    values.update(_Environ(environ)())
    for name, value in [*values.items()]:
        if not str(value).strip():
            del values[name]
            mistakes.append(f"secret {name}: is empty; give it its value, or remove it")
    texts = {name: Secret(str(value).strip()) for name, value in values.items()}
    return Secrets(**texts), mistakes if required else []


def misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a complaint about each variable that is nearly the name of a secret."""
    known = {PREFIX + name.upper() for name in _NAMES} | _OTHER
    for variable in environ:
        if not variable.startswith(PREFIX) or variable.startswith("CHIP_BRIDGE__"):
            continue
        near = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
        if near and variable not in known:
            yield f"environment {variable}: is an unknown variable; did you mean {near[0]}?"


def _files(place: Path, mistakes: list[str]) -> dict[str, object]:
    """Return the secrets in a directory; say in `mistakes` why it cannot be read."""
    try:
        if not place.is_dir() or not os.access(place, os.R_OK | os.X_OK):
            raise PermissionError(0, "it is no directory that this user may read")
        return SecretsSettingsSource(_Settings, secrets_dir=place, env_prefix="")()
    except (OSError, UnicodeError, SettingsError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        mistakes.append(f"secrets directory {place}: cannot be read: {reason}")
        return {}
