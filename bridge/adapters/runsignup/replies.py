"""Tell from status and body what RunSignup answered; no I/O.

Classic calls report failures with HTTP 200 and an `error` object; newer ones with a 4xx and an
`error` text; a gateway in front, or the login page of a hotspot, answers with HTML. Whatever is
not JSON was not said by RunSignup and says nothing about what was sent.
"""

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

import orjson

from bridge.errors import LoginFailed, ProviderError, Refused, TryLater

Json = object
"""Whatever JSON holds: narrow before use."""

LATER = frozenset({4, 5, 14, 151})
"""Unknown error, database error, throttled, no temporary key."""
PERSON = frozenset({6, 7, 13, 17, 101, 102, 103})
"""Key refused, no permission, login needed, caller registration, user, password, locked."""
WHOLE = frozenset({1, 2, 8, 10, 12, 201, 214, 216, 301})
"""Method, verb, format, order, race, zone, event: no row of the payload is at fault."""

_ADVICE = {
    6: "check provider_api_key and provider_api_secret",
    7: "give this key access to the race, including its results",
    13: "use an API key that may do this",
    17: "correct provider_registration_id and provider_registration_secret, or remove both",
    103: "unlock the account at RunSignup",
    201: "check race_id",
    301: "check the event ids",
}


def payload(status: int, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Json:
    """Return the JSON of a success.

    Raises:
        TryLater: Throttled, a server error, or not an answer of RunSignup at all.
        LoginFailed: Credentials or permissions must be looked at by a person.
        Refused: It will never accept this as it stands.
    """
    after_s = _retry_after(headers, now_s)
    document = _parsed(body)
    found = failure(document)
    if found is not None:
        error = _error(status, *found)
        if isinstance(error, TryLater):
            error.after_s = after_s
        raise error
    if status == 200 and isinstance(document, dict | list):  # noqa: PLR2004
        return document
    if status in {401, 403}:
        raise LoginFailed(f"RunSignup refuses our key (HTTP {status}): check the credentials")
    raise TryLater(_strange(status, body), after_s=after_s)


def failure(document: Json) -> tuple[int | None, str] | None:
    """Return (code, words) if a body reports a failure, whatever its HTTP status, else None."""
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if not error and not (document.get("error_code") and document.get("error_msg")):
        return None
    inner = error if isinstance(error, dict) else document
    words = [error] if isinstance(error, str) else _texts(inner.get("error_msg"))
    for place in (inner, document):
        for name in ("error_details", "details"):
            words += [word for word in _details(place.get(name)) if word not in words]
    return _number(inner.get("error_code")), "; ".join(words) or "no reason given"


def _error(status: int, code: int | None, words: str) -> ProviderError:
    number = f" (code {code})" if code is not None else ""
    told = f"RunSignup: {words}" + ("" if number in words else number)
    if advice := _ADVICE.get(code or 0):
        told += f": {advice}"
    if code in LATER or status == 429 or status >= 500:  # noqa: PLR2004
        return TryLater(told)
    if code in PERSON or (code is None and status in {401, 403}):
        return LoginFailed(told)
    return Refused(told, code=code, whole=code in WHOLE or (code is None and status == 404))  # noqa: PLR2004


def _parsed(body: bytes) -> Json:
    try:
        document: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document


def _strange(status: int, body: bytes) -> str:
    if status == 429:  # noqa: PLR2004
        return "RunSignup asks us to slow down (HTTP 429)"
    if status >= 500:  # noqa: PLR2004
        return f"RunSignup has trouble of its own (HTTP {status})"
    what = "a web page" if re.match(rb"\s*<", body) else "something that is not its JSON"
    return (
        f"instead of RunSignup {what} answered (HTTP {status}): a hotspot's login page, a "
        "gateway, or a wrong base_url"
    )


def _retry_after(headers: Mapping[str, str], now_s: float) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s) if text else None
    except (ValueError, OverflowError):
        return None


def _details(found: Json) -> Iterator[str]:
    """Yield the words of error details: a text, an object, or a list of either."""
    if isinstance(found, list):
        for each in found:
            yield from _details(each)
    elif isinstance(found, dict):
        said = [*_texts(found.get("error_msg")), *_texts(found.get("detailed_desc"))]
        code = _number(found.get("error_code"))
        if said:
            yield " - ".join(said) + (f" (code {code})" if code is not None else "")
        for name in ("error", "errors"):
            yield from _details(found.get(name))
    else:
        yield from _texts(found)


def _texts(found: Json) -> list[str]:
    return [str(found).strip()] if isinstance(found, str | int) and str(found).strip() else []


def _number(found: Json) -> int | None:
    text = str(found).strip() if isinstance(found, int | str) else ""
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
