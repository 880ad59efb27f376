"""`[[forward]]` tables: what is right, and how each mistake is told."""

import pytest

from bridge.app.config import Loaded
from bridge.app.forward_kinds import names
from bridge.app.registry import Registry
from drivers import BUILTIN
from tests.app.test_config import complaints, read

BASE = """
[bridge]
site = "box"
[[reader]]
name = "one"
driver = "ipico"
location = "start"
url = "tcp://10.0.0.51:10000"
[[reader]]
name = "two"
driver = "mylaps"
location = "finish"
url = "tcp-listen://0.0.0.0:3097"
sources = { "5Km" = "5k" }
"""
SECRET = {"CHIP_BRIDGE_FORWARD_WEBHOOK_SECRET": "s3cret"}


def with_forward(*lines: str) -> str:
    return BASE + "[[forward]]\n" + "\n".join(lines) + "\n"


def loaded(*lines: str, environ: dict[str, str] | None = None) -> Loaded:
    return read(with_forward(*lines), environ or {})


@pytest.mark.parametrize(
    "lines",
    [
        ('driver = "ipico"', 'listen = "tcp://0.0.0.0:10001"', 'location = "finish"'),
        ('driver = "ultra"', 'connect = "tcp://10.0.0.9:23"', 'location = "5k"'),
        ('driver = "mylaps"', 'connect = "tcp://10.0.0.9:3097"', 'send = "crossings"'),
        ('driver = "wiclax"', 'listen = "tcp://[::1]:9854"'),
        ('driver = "chronotrack"', 'connect = "tcp://scoring.local:61611"'),
        ('driver = "jsonl"', 'listen = "tcp://0.0.0.0:10100"', 'options = { start = "all" }'),
    ],
)
def test_what_is_right_is_taken(lines: tuple[str, ...]) -> None:
    [table] = loaded(*lines).config.forward
    assert f'driver = "{table.driver}"' in lines
    assert table.send in {"reads", "crossings"}


@pytest.mark.parametrize(
    ("lines", "key", "says"),
    [
        (('driver = "ipco"', 'listen = "tcp://h:1"', 'location = "5k"'), "driver", "'ipico'"),
        (('driver = "llrp"', 'listen = "tcp://h:1"', 'location = "5k"'), "driver", "only read"),
        (('driver = "csv"',), "listen", "tcp://ADDRESS:PORT"),
        (('driver = "csv"', 'listen = "0.0.0.0:1"'), "listen", "tcp://ADDRESS:PORT"),
        (('driver = "csv"', 'listen = "tcp://h:70000"'), "listen", "tcp://ADDRESS:PORT"),
        (('driver = "csv"', 'connect = "tls://h:1"'), "connect", "tcp://HOST:PORT"),
        (
            ('driver = "csv"', 'listen = "tcp://h:1"', 'connect = "tcp://h:2"'),
            "connect",
            "together",
        ),
        (('driver = "webhook"', 'listen = "tcp://h:1"'), "listen", "https://HOST/PATH"),
        (('driver = "webhook"', 'connect = "http://example.com/x"'), "connect", "https://"),
        (('driver = "webhook"',), "connect", "https://"),
        (('driver = "csv"', 'listen = "tcp://h:1"', 'location = "finsh"'), "location", "'finish'"),
        (('driver = "csv"', 'listen = "tcp://h:1"', 'send = "all"'), "send", "'crossings'"),
        (('driver = "ipico"', 'listen = "tcp://h:1"'), "location", "5k, finish, start"),
        (('driver = "csv"', 'listen = "tcp://h:1"', "options = { x = 1 }"), "options", "start"),
        (
            (
                'driver = "ultra"',
                'listen = "tcp://h:1"',
                'location = "5k"',
                "options = { box = 0 }",
            ),
            "options",
            "1 to 255",
        ),
        (('driver = "csv"', 'listen = "tcp://h:1"', 'lisen = "x"'), "lisen", "'listen'"),
    ],
)
def test_each_mistake_is_told(lines: tuple[str, ...], key: str, says: str) -> None:
    [told] = complaints(with_forward(*lines), SECRET)
    assert f"{key}: " in told
    assert says in told


def test_two_need_names_and_ports_of_their_own() -> None:
    one = '[[forward]]\ndriver = "csv"\nlisten = "tcp://h:1"\n'
    told = "\n".join(complaints(BASE + one + one))
    assert "name: is the same" in told
    assert "listen: is the same" in told
    assert (
        len(read(BASE + one + one.replace("csv", "jsonl").replace(":1", ":2"), {}).config.forward)
        == 2
    )


def test_a_webhook_signs_with_a_secret_that_nothing_shows() -> None:
    lines = ('driver = "webhook"', 'connect = "http://127.0.0.1:8000/x"')
    [told] = complaints(with_forward(*lines))
    assert "CHIP_BRIDGE_FORWARD_WEBHOOK_SECRET" in told
    found = loaded(*lines, environ=SECRET)
    assert found.forward_secrets["webhook"].get_secret_value() == "s3cret"
    assert "s3cret" in found.secret_values()
    assert "s3cret" not in repr(found)


def test_without_readers_there_is_nothing_to_forward() -> None:
    text = '[bridge]\nsite = "box"\n[[forward]]\ndriver = "csv"\nlisten = "tcp://h:1"\n'
    [told] = complaints(text)
    assert "no [[reader]]" in told


def test_all_names_are_known() -> None:
    wanted = {"ipico", "race-result", "ultra", "mylaps", "chronotrack", "jchip", "wiclax"}
    assert set(names(Registry(BUILTIN))) == wanted | {"csv", "jsonl", "webhook"}
