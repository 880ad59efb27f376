"""Every form in which RunSignup, or something in front of it, has been seen to fail."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.runsignup.replies import payload
from bridge.errors import LoginFailed, ProviderError, Refused, TryLater


def answer(status: int, body: object, **headers: str) -> object:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return payload(status, named, raw, now_s=1_764_000_000.0)


def failed(kind: type[ProviderError], status: int, body: object, **headers: str) -> ProviderError:
    with pytest.raises(kind) as caught:
        answer(status, body, **headers)
    assert type(caught.value) is kind
    return caught.value


def classic(code: object, text: str = "words") -> dict[str, object]:
    return {"error": {"error_code": code, "error_msg": text}}


@pytest.mark.parametrize("body", [{}, [], {"results": []}, {"error": None}])
def test_json_without_an_error_is_a_success(body: object) -> None:
    assert answer(200, body) == body


@pytest.mark.parametrize("code", [4, 5, 14, "14", 151])
def test_codes_that_pass_by_themselves(code: object) -> None:
    failed(TryLater, 200, classic(code))


@pytest.mark.parametrize("code", [6, "6", 7, 13, 101, 102, 103])
def test_codes_that_need_a_person(code: object) -> None:
    failed(LoginFailed, 200, classic(code))


def test_the_caller_registration_is_refused_with_http_400() -> None:
    assert "provider_registration_id" in str(failed(LoginFailed, 400, classic(17)))


@pytest.mark.parametrize("code", [3, 9, 11, 15, 104, 115, 116, 123, 514, 517])
def test_codes_of_a_row(code: int) -> None:
    error = failed(Refused, 200, classic(code))
    assert isinstance(error, Refused)
    assert (error.code, error.whole) == (code, False)


@pytest.mark.parametrize("code", [1, 2, 8, 10, 12, 201, 214, 216, 301])
def test_codes_that_no_smaller_payload_would_avoid(code: int) -> None:
    error = failed(Refused, 200, classic(code))
    assert isinstance(error, Refused)
    assert (error.code, error.whole) == (code, True)


def test_details_are_found_in_each_of_their_places() -> None:
    row = {"error_code": 15, "error_msg": "bad id", "detailed_desc": "id 4711"}
    places: list[dict[str, object]] = [
        {"error": {"error_code": 11, "error_msg": "m", "error_details": [row]}},
        {"error": {"error_code": 11, "error_msg": "m", "error_details": {"error": [row]}}},
        {"error": {"error_code": 11, "error_msg": "m", "details": row}},
        {"error": {"error_code": 11, "error_msg": "m"}, "error_details": [row]},
        {"error": "m", "details": row},
        {"error_code": 11, "error_msg": "m", "error_details": [row]},
    ]
    for body in places:
        told = str(failed(Refused, 200, body))
        assert told.startswith("RunSignup: m; bad id - id 4711 (code 15)")


def test_newer_calls_report_text_with_a_4xx() -> None:
    failed(LoginFailed, 401, {"error": "no", "details": {}})
    failed(LoginFailed, 403, {"error": "no"})
    failed(Refused, 400, {"error": "no"})
    failed(TryLater, 500, {"error": "no"})
    failed(TryLater, 429, {"error": "no"})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"<html>busy</html>"),
        (522, b"<html>gateway</html>"),
        (502, b""),
        (429, b"slow down"),
        (200, b"<html>hotspot login</html>"),
        (302, b""),
        (404, b"<html>wrong base_url</html>"),
        (200, b""),
        (200, b'{"results": [{"resu'),
        (200, b'"text"'),
        (200, b"null"),
        (200, b"17"),
        (200, b"\xff\xfe{}"),
        (204, b""),
    ],
)
def test_what_is_not_runsignups_json_says_nothing_about_the_rows(status: int, body: bytes) -> None:
    failed(TryLater, status, body)


def test_retry_after_in_seconds_and_as_a_date() -> None:
    seconds = failed(TryLater, 200, classic(14), retry_after="7")
    date = failed(TryLater, 503, b"", retry_after="Mon, 24 Nov 2025 16:01:00 GMT")
    odd = failed(TryLater, 503, b"", retry_after="soon")
    assert [error.after_s for error in (seconds, date, odd) if isinstance(error, TryLater)] == [
        7.0,
        60.0,
        None,
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "error_code", "error_msg", "error_details", "details", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(status=st.sampled_from([200, 400, 401, 404, 429, 500, 522]), body=JSON | st.binary())
def test_whatever_is_answered_is_data_or_one_of_our_errors(status: int, body: object) -> None:
    try:
        told: object = answer(status, body)
    except ProviderError as error:
        told = [str(error)]
    assert isinstance(told, dict | list)
    assert told != [""]
