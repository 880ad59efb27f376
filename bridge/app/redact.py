"""Keep secrets out of everything that people or logs see."""

import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
_SHORTEST = 4
"""Characters. Masking anything shorter would tear ordinary words apart."""
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]*@")
_QUERY = re.compile(
    r"(?<=[?&])([^=&#\s]*(?:key|secret|token|password|passwd|pwd|auth|sig|code|api_reg)[^=&#\s]*)"
    r"=[^&#\s]*",
    re.IGNORECASE,
)


def redact_url(url: str) -> str:
    """Return `url` without the user and password in it, and without telling query values."""
    return _QUERY.sub(rf"\1={MASK}", _USERINFO.sub(f"{MASK}@", url))


class Redactor:
    """Replaces known secret values, and whatever a URL gives away, in any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
        words = sorted((s for s in known if len(s) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, words))) if words else None

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return redact_url(text) if "://" in text else text

    def value(self, value: object) -> object:
        """Return `value` with every secret in its texts replaced, containers included."""
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode(errors="replace"))
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self.text(str(value))
