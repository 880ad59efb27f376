"""No secret gets through, in whatever form."""

import pytest

from bridge.app.redact import Redactor, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://user:hunter2@host:1883/x", "mqtt://***@host:1883/x"),
        ("https://h/rest?rsu_api_key=abc&page=2", "https://h/rest?rsu_api_key=***&page=2"),
        ("https://h/x?page=2&tmp_secret=abc#f", "https://h/x?page=2&tmp_secret=***#f"),
        ("https://h/login?email=a&PASSWORD=p%20q", "https://h/login?email=a&PASSWORD=***"),
        ("tcp://10.0.0.51:10000", "tcp://10.0.0.51:10000"),
        ("https://h/a@b", "https://h/a@b"),
    ],
)
def test_a_url_tells_no_credentials(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_known_secrets_are_replaced_wherever_they_stand() -> None:
    redactor = Redactor(["s3cr3t", "s3cr3t-long", "p w/d%"])
    assert redactor.text("a s3cr3t-long b s3cr3t") == "a *** b ***"
    assert redactor.text("q=p%20w%2Fd%25;") == "q=***;"
    assert redactor.value({"a": ["s3cr3t", 1, None, b"s3cr3t"], "b": ("x", True)}) == {
        "a": ["***", 1, None, "***"],
        "b": ["x", True],
    }
    assert redactor.value(ValueError("bad s3cr3t")) == "bad ***"


def test_words_too_short_to_be_secrets_do_not_tear_texts_apart() -> None:
    assert Redactor(["", "a"]).text("a banana") == "a banana"
