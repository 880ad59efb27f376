"""The tree of keys a configuration is made of: the file's text, with the environment laid over."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bridge.adapters.config_lines import Key, lines_of
from bridge.errors import ConfigError

PREFIX = "CHIP_BRIDGE__"
_LONGEST = 1_000_000
"""Bytes. A larger file is not a configuration."""


class _NoWayError(Exception):
    """A variable names a key that cannot be; the text says why."""


class Tree:
    """Tables and keys as Python values, and where each came from."""

    def __init__(self, text: str, name: str) -> None:
        """Parse the text of a file called `name`.

        Raises:
            ConfigError: It is not TOML.
        """
        self.name = name
        try:
            self.data: dict[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name} is not TOML: {error}.") from error
        self._lines = lines_of(text)
        self._variables: dict[Key, str] = {}

    def overlay(self, environ: Mapping[str, str]) -> list[str]:
        """Let every ``CHIP_BRIDGE__TABLE__KEY`` override its key.

        Positions in lists are figures: ``CHIP_BRIDGE__READER__0__URL``; the next free position
        adds one. A value that is a JSON list or object is taken as such.

        Returns:
            A complaint about each variable that leads nowhere.
        """
        complaints: list[str] = []
        for variable in sorted(environ):
            if variable.startswith(PREFIX):
                try:
                    self._put(variable, environ[variable])
                except _NoWayError as error:
                    complaints.append(f"environment {variable}: {error}")
        return complaints

    def where(self, loc: Key) -> str:
        """Return where a key, or what is nearest around it, was written."""
        for end in range(len(loc), 0, -1):
            if (variable := self._variables.get(loc[:end])) is not None:
                return f"environment {variable}"
            if (line := self._lines.get(loc[:end])) is not None:
                return f"{self.name}:{line}"
        return self.name

    def called(self, loc: Key) -> str:
        """Return a key's path for people: ``reader "finish-main", url``."""
        words: list[str] = []
        node: object = self.data
        for step in loc:
            node = _child(node, step)
            if isinstance(step, int):
                words[-1:] = [f"{words[-1] if words else ''} {_label(node, step)}".strip()]
            else:
                words.append(step)
        return ", ".join(words)

    def has(self, loc: Key) -> bool:
        """Say whether there is such a key."""
        node: object = self.data
        return all((node := _child(node, step)) is not None for step in loc)

    def _put(self, variable: str, text: str) -> None:
        steps = variable.removeprefix(PREFIX).lower().split("__")
        node: object = self.data
        path: Key = ()
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            here = _step(node, step)
            path = (*path, here)
            if path not in self._lines:
                self._variables.setdefault(path, variable)
            if following is None:
                _set(node, here, _value(text))
            node = _enter(node, here, in_list=following is not None and following.isdecimal())
        self._variables[path] = variable


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"The configuration {path} cannot be read: {error.strerror}. "
            "Name another with --config, or write one with `chip-bridge init`."
        ) from error
    if len(content) > _LONGEST:
        raise ConfigError(f"{path} is larger than any configuration; name another with --config.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line} is not UTF-8 text; save the file as UTF-8.") from error


def _child(node: object, step: str | int) -> object:
    """Return what is under a key or position, or None: TOML has no null."""
    if isinstance(node, dict):
        return node.get(step)
    inside = isinstance(node, list) and isinstance(step, int) and step < len(node)
    return node[step] if inside else None  # type: ignore[index]


def _label(node: object, position: int) -> str:
    name = node.get("name") if isinstance(node, dict) else None
    return f'"{name}"' if isinstance(name, str) else f"number {position + 1}"


def _step(node: object, step: str) -> str | int:
    if isinstance(node, dict) and step:
        return step
    if not isinstance(node, list):
        raise _NoWayError("leads through a key that has no keys of its own")
    if step.isascii() and step.isdecimal() and int(step) <= len(node):
        return int(step)
    raise _NoWayError(f"needs a position from 0 to {len(node)} in place of {step.upper()!r}")


def _enter(node: object, here: str | int, *, in_list: bool) -> object:
    if isinstance(node, dict):
        return node.setdefault(here, [] if in_list else {})
    if isinstance(node, list) and isinstance(here, int):
        if here == len(node):
            node.append({})
        return node[here]
    return None


def _set(node: object, here: str | int, value: object) -> None:
    if isinstance(node, dict):
        node[here] = value
    elif isinstance(node, list) and isinstance(here, int):
        node[here : here + 1] = [value]


def _value(text: str) -> object:
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
