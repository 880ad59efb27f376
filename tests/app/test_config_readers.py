"""Readers in the configuration: places, fingerprints, passwords."""

from pathlib import Path

import pytest

from bridge.adapters.config_files import load_config
from bridge.app.config_warnings import warnings_of
from bridge.app.redact import Redactor
from bridge.app.registry import Registry
from drivers import BUILTIN
from tests.app.test_config import changed, complaints, read

URL = 'url = "tcp://10.0.0.51:10000"'


def with_reader(lines: str) -> str:
    return changed(URL, f"{URL}\n{lines}")


def test_places_on_one_connection_have_locations() -> None:
    config = read(with_reader('sources = { "START" = "start", "5K mat" = "5k" }')).config
    assert config.reader[0].sources == {"START": "start", "5K mat": "5k"}
    told = list(warnings_of(config))
    assert not [text for text in told if "No reader" in text]
    told = list(warnings_of(read(with_reader('sources = { "X" = "tent" }')).config))
    assert any("'finish-main/X' is at 'tent', which is on no course" in text for text in told)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('sources = { "" = "start" }', "sources"),
        ('sources = { "X" = "no such name!" }', "sources"),
        ('sources = ["start"]', "sources"),
        ('tls_fingerprint = "00"', "only with tls://"),
        ('tls_fingerprint = "sesame"', "tls_fingerprint"),
    ],
)
def test_what_is_wrong_with_a_reader_is_told(line: str, words: str) -> None:
    assert any(words in text for text in complaints(with_reader(line)))


def test_a_fingerprint_is_a_whole_sha_256() -> None:
    pinned = 'url = "tls://10.0.0.51:10001"\ntls_fingerprint = "{}"'
    assert any("64 hex digits" in text for text in complaints(changed(URL, pinned.format("ab"))))
    for written in ("ab" * 32, ":".join(["AB"] * 32)):
        config = read(changed(URL, pinned.format(written))).config
        assert config.reader[0].tls_fingerprint == written


def test_a_password_comes_from_the_environment() -> None:
    loaded = read(with_reader(""), {"CHIP_BRIDGE_READER_FINISH_MAIN_PASSWORD": " sesame\n"})
    assert loaded.reader_passwords["finish-main"].get_secret_value() == "sesame"
    assert "sesame" in loaded.secret_values()
    assert "sesame" not in repr(loaded)
    assert "sesame" not in Redactor(loaded.secret_values()).text("login sesame refused")
    assert read(with_reader("")).reader_passwords == {}
    other = read(with_reader(""), {"CHIP_BRIDGE_READER_START_PASSWORD": "x"})
    assert other.reader_passwords == {}


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "given").mkdir()
    text = with_reader("").replace("[bridge]", '[bridge]\nsecrets_dir = "secrets"')
    (tmp_path / "bridge.toml").write_text(text)

    def password(environ: dict[str, str]) -> str | None:
        loaded = load_config(tmp_path / "bridge.toml", environ, Registry(BUILTIN))
        found = loaded.reader_passwords.get("finish-main")
        return found.get_secret_value() if found else None

    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path / "given")}
    assert password(credentials) is None
    (tmp_path / "given" / "reader_finish_main_password").write_text("from systemd\n")
    assert password(credentials) == "from systemd"
    (tmp_path / "secrets" / "reader_finish-main_password").write_text("from a file\n")
    assert password(credentials) == "from a file"
    variable = {"CHIP_BRIDGE_READER_FINISH_MAIN_PASSWORD": "from the environment"}
    assert password(credentials | variable) == "from the environment"


def test_a_password_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "reader_finish_main_password").write_bytes(b"\xff\xfe")
    text = with_reader("").replace("[bridge]", f'[bridge]\nsecrets_dir = "{tmp_path}"')
    assert any("a password cannot be read" in line for line in complaints(text))


def test_one_password_for_two_readers_by_mistake_is_told() -> None:
    twin = '[[reader]]\nname = "finish_main"\ndriver = "ipico"\nlocation = "finish"\n'
    text = with_reader("") + f'\n{twin}url = "tcp://10.0.0.52:10000"\n'
    assert len(read(text).config.reader) == 2
    told = complaints(text, {"CHIP_BRIDGE_READER_FINISH_MAIN_PASSWORD": "sesame"})
    assert any("'finish_main' and 'finish-main' alike" in line for line in told)
    assert not any("sesame" in line for line in told)
