"""Turn what is wrong with a configuration into lines that say where, what and what is allowed."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.adapters.config_lines import Key
from bridge.adapters.config_tree import Tree
from bridge.app.config import Config, Secrets, Table
from bridge.app.config_mistake import Mistake
from bridge.errors import ConfigError

_SECRET_NAMES = frozenset(secret.name for secret in fields(Secrets))
_SECRET_WORDS = ("api_key", "api_secret", "password", "secret", "token", "client_id", "username",
                 "email", "registration_id")  # fmt: skip
_NAME_RULE = "1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": _NAME_RULE,
    r"^[^#+\s]+$": "an MQTT topic without '#', '+' and spaces",
}
_ALLOWED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "literal_error": lambda c: f"must be one of {c['expected']}",
    "greater_than": lambda c: f"must be more than {c['gt']:g}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']:g}",
    "less_than": lambda c: f"must be less than {c['lt']:g}",
    "less_than_equal": lambda c: f"must be at most {c['le']:g}",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda c: f"must have at most {c['max_length']} characters",
    "too_short": lambda c: f"needs at least {c['min_length']} entry",
    "string_pattern_mismatch": lambda c: f"must be {_PATTERNS.get(c['pattern'], c['pattern'])}",
    "string_type": lambda _: 'must be a text in quotes, for example "finish"',
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "float_type": lambda _: "must be a number",
    "float_parsing": lambda _: "must be a number",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "tuple_type": lambda _: "must be a list, in [ ] or as [[ ]] tables",
    "dict_type": lambda _: "must be a table, { key = value }",
    "dataclass_type": lambda _: "must be a table with keys",
    "path_type": lambda _: "must be a path in quotes",
    "value_error": lambda c: str(c["error"]),
}
"""What is allowed, by pydantic's type of error."""


def complain(tree: Tree, mistakes: Iterable[Mistake], elsewhere: Iterable[str]) -> ConfigError:
    """Return the error that lists every mistake, each where it was made.

    `elsewhere`: lines about environment and secrets, which are in no file.
    """
    lines = [f"{tree.where(m.loc)}: {tree.called(m.loc)}: {m.text}" for m in mistakes]
    lines += elsewhere
    unique = list(dict.fromkeys(lines))
    count = "one mistake" if len(unique) == 1 else f"{len(unique)} mistakes"
    return ConfigError("\n".join([f"The configuration has {count}:", *unique]))


def mistakes_of(error: ValidationError, tree: Tree) -> list[Mistake]:
    """Return what pydantic found, in our words."""
    return [_mistake(details, tree) for details in error.errors(include_url=False)]


def _mistake(details: ErrorDetails, tree: Tree) -> Mistake:
    kind = details["type"]
    loc = _real(details["loc"], tree, missing=kind == "missing")
    if kind == "unexpected_keyword_argument":
        return Mistake(loc, _unknown_key(loc))
    context = details.get("ctx", {})
    allowed = _ALLOWED.get(kind)
    text = allowed(context) if allowed else details["msg"][:1].lower() + details["msg"][1:]
    return Mistake(loc, text)


def _real(loc: Key, tree: Tree, *, missing: bool) -> Key:
    """Leave out what pydantic adds to a path: the member of a union it tried."""
    last = loc[-1:] if missing else ()
    known = loc[:-1] if missing else loc
    while known and not tree.has(known):
        known = known[:-1]
    return (*known, *last)


def _unknown_key(loc: Key) -> str:
    key = str(loc[-1]).lower()
    if secret := _secret_name(loc):
        return (
            f"is a secret and must not be in the configuration: set CHIP_BRIDGE_{secret.upper()}, "
            f"or write it to a file named {secret} in the secrets directory; remove it here"
        )
    known = _keys_at(loc[:-1])
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"is an unknown key; {hint}"


def _secret_name(loc: Key) -> str | None:
    key, table = str(loc[-1]).lower(), str(loc[0])
    for name in (key, f"{table}_{key}"):
        if name in _SECRET_NAMES:
            return name
    if any(word in key for word in _SECRET_WORDS):
        near = difflib.get_close_matches(f"{table}_{key}", _SECRET_NAMES, n=1, cutoff=0.0)
        return near[0]
    return None


def _keys_at(loc: Key) -> list[str]:
    table: type[Table] = Config
    for step in loc:
        if isinstance(step, str):
            inner = _table_in(get_type_hints(table)[step])
            if inner is None:
                return []
            table = inner
    return [key.name for key in fields(table) if key.init]


def _table_in(annotation: object) -> type[Table] | None:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _table_in(part)) is not None:
            return found
    return None
