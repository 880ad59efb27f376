"""Every key of the configuration reaches something, and every mistake is told."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from bridge.adapters.config_files import config_of, find_config, load_config
from bridge.app.config import BridgeTable, Config, Loaded, Secrets
from bridge.app.config_warnings import warnings_of
from bridge.app.registry import Registry
from bridge.errors import ConfigError
from drivers import BUILTIN

DRIVERS = Registry(BUILTIN)
PATH = Path("/etc/chip-bridge/bridge.toml")

WHOLE = """\
[bridge]
site = "finish-a"
timezone = "America/Denver"

[provider]
kind = "runsignup"
race_id = 12345

[[event]]
id = 54321
name = "10K"
gun = 2026-11-21T08:30:00
course = [
  { location = "start" },
  { location = "5k", split = "5K", distance_m = 5000 },
  { location = "finish", distance_m = 10000, min_time_s = 1200 },
]

[[event.wave]]
name = "Corral B"

[[location]]
name = "finish"

[[reader]]
name = "finish-main"
driver = "ipico"
location = "finish"
url = "tcp://10.0.0.51:10000"

[mqtt]
url = "mqtt://localhost:1883"

[web]
listen = "127.0.0.1:8080"
"""


def read(text: str, environ: dict[str, str] | None = None, *, serving: bool = True) -> Loaded:
    return config_of(text, PATH, environ or {}, DRIVERS, serving=serving)


def complaints(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, environ)
    first, *rest = str(caught.value).splitlines()
    count = "one mistake" if len(rest) == 1 else f"{len(rest)} mistakes"
    assert first == f"The configuration has {count}:"
    return rest


def changed(old: str, new: str) -> str:
    assert WHOLE.count(old) == 1, old
    return WHOLE.replace(old, new)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def only_complaint(text: str) -> str:
    (complaint,) = complaints(text)
    return complaint


def test_a_good_configuration_is_read() -> None:
    config = read(WHOLE).config
    assert config.bridge.site == "finish-a"
    assert [point.location for point in config.event[0].course] == ["start", "5k", "finish"]
    assert config.reader[0].url == "tcp://10.0.0.51:10000"


def test_the_least_configuration_is_read() -> None:
    config = read('[bridge]\nsite = "a"\n').config
    assert config == Config(bridge=BridgeTable(site="a"))


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('site = "finish-a"', 'site = "finish a"', "bridge, site", "must be 1 to 64 letters"),
        ('"America/Denver"', '"America/Denvr"', "bridge, timezone", "mean 'America/Denver'"),
        ("race_id = 12345", "", "provider, race_id", "is required"),
        ("race_id = 12345", "race_id = 0", "provider, race_id", "at least 1"),
        ('kind = "runsignup"', 'kind = "runsignp"', "provider, kind", "one of 'runsignup'"),
        ('kind = "runsignup"', 'kind = "raceentry"', "provider, kind", "not supported by this"),
        ('kind = "runsignup"', 'kind = "file"', "provider, participants_file", "is required"),
        ("race_id = 12345", 'race_id = 1\nauth = "login"', "provider, auth", "use 'api_v2'"),
        ("race_id = 12345", 'race_id = 1\nauth = "oauth2"', "provider, auth", "not supported"),
        (
            "race_id = 12345",
            'race_id = 1\nparticipants_file = "p.csv"',
            "provider, participants_file",
            "kind = 'file' only",
        ),
        (
            "race_id = 12345",
            'race_id = 1\nbase_url = "http://api.example.org/rest"',
            "provider, base_url",
            "must be https",
        ),
        (
            "race_id = 12345",
            'race_id = 1\nbase_url = "ftp://x"',
            "provider, base_url",
            "https://HOST/PATH",
        ),
        ("gun = 2026-11-21T08:30:00", "gun = 2026-11-21", "10K", "a date and a time"),
        ("gun = 2026-11-21T08:30:00", "gun = 2026-11-01T01:30:00", "10K", "comes twice"),
        ("gun = 2026-11-21T08:30:00", "gun = 2026-03-08T02:30:00", "10K", "never comes"),
        ("min_time_s = 1200", "min_time_s = 60, max_time_s = 60", "min_time_s", "below max_time_s"),
        ("distance_m = 10000", "distance_m = 400", "distance_m", "less than the 5000 m"),
        (
            'split = "5K"',
            'split = "Mat" }, { location = "7k", split = "mat"',
            "split",
            "on the course twice",
        ),
        (
            'name = "Corral B"',
            "gun = 2026-11-21T08:34:00",
            "wave number 1, name",
            "is required",
        ),
        ('[[location]]\nname = "finish"', '[[location]]\nname = "finsh"', "finsh", "'finish'?"),
        (
            '[[location]]\nname = "finish"',
            '[[location]]\nname = "finish"\nstray_s = 0.5',
            "stray_s",
            "not be below quiet_s = 1",
        ),
        ('driver = "ipico"', 'driver = "ipco"', "driver", "did you mean 'ipico'?"),
        ("tcp://10.0.0.51:10000", "tcp://10.0.0.51", "url", "needs a host and a port"),
        ("tcp://10.0.0.51:10000", "10.0.0.51:10000", "url", "serial:///dev/serial/by-id"),
        ("tcp://10.0.0.51:10000", "tcp://h:1/x", "url", "more than a host and a port"),
        ("tcp://10.0.0.51:10000", "serial://ttyUSB0", "url", "three slashes"),
        ("tcp://10.0.0.51:10000", "serial:///dev/ttyUSB0?baud=fast", "url", "baud rate in figures"),
        ("tcp://10.0.0.51:10000", "serial:///dev/ttyUSB0?bits=7", "url", "unknown setting 'bits'"),
        (
            'location = "finish"\nurl',
            'location = "finish"\noptions = { nonsense = 1 }\nurl',
            "options",
            "nonsense",
        ),
        (
            'location = "finish"\nurl',
            'location = "finish"\ntimezone = "Mars/Base"\nurl',
            "timezone",
            "no time zone",
        ),
        (
            'location = "finish"\nurl',
            'location = "finish"\ngun_for = [5432]\nurl',
            "gun_for",
            "mean '54321'?",
        ),
        (
            'location = "finish"\nurl',
            'location = "finish"\npriority = 0\nurl',
            "priority",
            "at least 1",
        ),
        ("mqtt://localhost:1883", "localhost", "mqtt, url", "mqtts://, ws://, wss://"),
        ("mqtt://localhost:1883", "mqtt://u:hunter2@h", "mqtt, url", "CHIP_BRIDGE_MQTT_PASSWORD"),
        (
            'url = "mqtt://localhost:1883"',
            'url = "mqtt://h"\nlisten = "0.0.0.0:1883"',
            "mqtt, listen",
            "only with url = 'embedded'",
        ),
        (
            'url = "mqtt://localhost:1883"',
            'url = "mqtt://h"\nca_file = "ca.pem"',
            "mqtt, ca_file",
            "only with mqtts",
        ),
        ('"127.0.0.1:8080"', '"8080"', "web, listen", "ADDRESS:PORT"),
        ('"127.0.0.1:8080"', '"0.0.0.0:8080"', "web, listen", "a token is required"),
        ("[web]", "[wep]", "wep", "did you mean 'web'?"),
        (
            "[web]",
            '[[forward]]\ndriver = "ipco"\nlisten = "tcp://0.0.0.0:1"\n[web]',
            "driver",
            "'ipico'",
        ),
        ("race_id = 12345", "race_id = 1\nrace_idd = 2", "race_idd", "did you mean 'race_id'?"),
        ("race_id = 12345", "race_id = 1\nwibble = 2", "wibble", "known here: auth, base_url"),
    ],
)
def test_each_mistake_is_told_with_its_key_and_what_is_allowed(
    old: str, new: str, key: str, says: str
) -> None:
    text = changed(old, new)
    complaint = only_complaint(text)
    place, _, rest = complaint.partition(": ")
    assert key in rest
    assert says in rest
    assert "hunter2" not in complaint
    line = int(re.fullmatch(r"/etc/chip-bridge/bridge\.toml:(\d+)", place)[1])  # type: ignore[index]
    start = text.index(new) if new else text.index('kind = "runsignup"')
    near = text[:start].count("\n") + 1
    assert near - 3 <= line <= near + new.count("\n") + 2


def test_the_line_is_that_of_the_key() -> None:
    text = changed("tcp://10.0.0.51:10000", "tcp://h")
    line = line_of(text, 'url = "tcp')
    assert only_complaint(text).startswith(f"{PATH}:{line}: ")


def test_what_is_there_twice_is_told_where_it_comes_again() -> None:
    event = WHOLE[WHOLE.index("[[event]]") : WHOLE.index("[[event.wave]]")]
    reader = WHOLE[WHOLE.index("[[reader]]") : WHOLE.index("[mqtt]")]
    wave = '[[event.wave]]\nname = "corral b"\n'
    again = WHOLE + event + wave + wave + reader + '[[location]]\nname = "finish"\n'
    told = "\n".join(complaints(again))
    assert 'event "10K", id: is the same as in [[event]] number 1' in told
    assert 'event "10K", name: is the same' in told
    assert "'corral b' is listed twice" in told
    assert 'reader "finish-main", name: is the same' in told
    assert 'reader "finish-main", url: is the same' in told
    assert 'location "finish", name: is the same' in told


def test_all_mistakes_are_told_at_once_even_those_behind_faulty_keys() -> None:
    text = (
        WHOLE.replace('site = "finish-a"', 'sight = "finish-a"')
        .replace("America/Denver", "America/Denvr")
        .replace("race_id = 12345", 'race_id = "x"')
        .replace('driver = "ipico"', 'driver = "ipco"\npriority = 100')
        .replace("min_time_s = 1200", "min_time_s = 60, max_time_s = 30, distance = 1")
        .replace("[web]", "[[forward]]\nlisten = 1\n[web]")
    )
    told = "\n".join(complaints(text))
    for part in ["site: is required", "mean 'site'?", "Denvr", "race_id: must be a whole", "ipco"]:
        assert part in told
    for part in [
        "at most 99",
        "below max_time_s",
        "mean 'distance_m'?",
        "forward",
        "driver: is required",
    ]:
        assert part in told
    assert len(told.splitlines()) == 10


def test_a_start_window_beyond_the_fastest_finish_of_a_shared_mat_is_told() -> None:
    shared = WHOLE.replace('{ location = "start" }', '{ location = "finish" }')
    assert read(shared).config.event[0].start_window_s == 900  # the default gives way
    given = shared.replace('name = "10K"', 'name = "10K"\nstart_window_s = 1200')
    assert "below the fastest finish (1200 s)" in only_complaint(given)
    below = given.replace("start_window_s = 1200", "start_window_s = 1199")
    assert read(below).config.event[0].start_window_s == 1199


def test_a_local_gun_needs_a_zone_from_somewhere() -> None:
    text = changed('timezone = "America/Denver"\n', "")
    assert read(text).config.event[0].gun is not None  # the provider will tell
    from_file = text.replace(
        'kind = "runsignup"\nrace_id = 12345', 'kind = "file"\nparticipants_file = "p.csv"'
    )
    assert "of which zone? set bridge.timezone" in only_complaint(from_file)
    read(from_file.replace("08:30:00", "08:30:00-07:00"))


@pytest.mark.parametrize(
    ("table", "key", "variable"),
    [
        ("[provider]", "api_key", "CHIP_BRIDGE_PROVIDER_API_KEY"),
        ("[provider]", "api_secret", "CHIP_BRIDGE_PROVIDER_API_SECRET"),
        ("[mqtt]", "password", "CHIP_BRIDGE_MQTT_PASSWORD"),
        ("[web]", "web_token", "CHIP_BRIDGE_WEB_TOKEN"),
        ("[web]", "token", "CHIP_BRIDGE_WEB_TOKEN"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(
    table: str, key: str, variable: str
) -> None:
    complaint = only_complaint(changed(table, f'{table}\n{key} = "hunter2hunter2"'))
    assert f"set {variable}" in complaint
    assert "hunter2" not in complaint


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"bridge\.toml is not TOML: .*line 2"):
        read("[bridge]\nsite = finish\n")


def test_the_environment_overrides_any_key() -> None:
    environ = {
        "CHIP_BRIDGE__MQTT__URL": "mqtts://broker:8883",
        "CHIP_BRIDGE__MQTT__SHARE_CROSSINGS": "false",
        "CHIP_BRIDGE__READER__0__URL": "tcp://127.0.0.1:4001",
        "CHIP_BRIDGE__READER__1": '{"name": "b", "driver": "ipico", "location": "finish", '
        '"url": "tcp://127.0.0.1:4002"}',
        "CHIP_BRIDGE__EVENT__0__COURSE__2__MIN_TIME_S": "1300.5",
        "CHIP_BRIDGE__EVENT__0__GUN": "2026-11-21T09:00:00",
        "CHIP_BRIDGE__BRIDGE__COMMIT_LINGER_MS": "0",
        "CHIP_BRIDGE__LOCATION__0__METHOD": "peak",
    }
    config = read(WHOLE, environ).config
    assert config.mqtt is not None
    assert (config.mqtt.url, config.mqtt.share_crossings) == ("mqtts://broker:8883", False)
    assert [r.url for r in config.reader] == ["tcp://127.0.0.1:4001", "tcp://127.0.0.1:4002"]
    assert config.event[0].course[2].min_time_s == 1300.5
    assert config.event[0].gun is not None
    assert config.event[0].gun.hour == 9
    assert config.bridge.commit_linger_ms == 0
    assert config.location[0].method == "peak"


def test_the_environment_can_add_tables() -> None:
    environ = {
        "CHIP_BRIDGE__WEB__LISTEN": "127.0.0.1:9000",
        "CHIP_BRIDGE__READER__0__NAME": "r",
        "CHIP_BRIDGE__READER__0__DRIVER": "ipico",
        "CHIP_BRIDGE__READER__0__LOCATION": "finish",
        "CHIP_BRIDGE__READER__0__URL": "tcp://h:1",
    }
    config = read('[bridge]\nsite = "a"\n', environ).config
    assert config.web is not None
    assert config.web.listen == "127.0.0.1:9000"
    assert config.reader[0].name == "r"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CHIP_BRIDGE__WEB__LISTEN__HOST", "::1", "leads through a key that has no keys"),
        ("CHIP_BRIDGE__READER__0__PRIORITY", "100", "must be at most 99"),
        ("CHIP_BRIDGE__READER__2__URL", "tcp://h:1", "position from 0 to 1 in place of '2'"),
        ("CHIP_BRIDGE__BRIDGE__SITE__X", "a", "leads through a key that has no keys"),
        ("CHIP_BRIDGE__MQTT__URLL", "a", "did you mean 'url'?"),
        ("CHIP_BRIDGE__MQTTT__URL", "a", "did you mean 'mqtt'?"),
        ("CHIP_BRIDGE__PROVIDER__API_KEY", "hunter2x", "set CHIP_BRIDGE_PROVIDER_API_KEY"),
        ("CHIP_BRIDGE_PROVIDER_APIKEY", "x", "did you mean CHIP_BRIDGE_PROVIDER_API_KEY?"),
        ("CHIP_BRIDGE_WEB_TOKEN", " ", "secret web_token: is empty"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    variable: str, value: str, says: str
) -> None:
    (complaint,) = complaints(WHOLE, {variable: value})
    assert says in complaint
    assert variable in complaint or "secret web_token" in complaint
    assert "hunter2" not in complaint


@pytest.mark.parametrize("name", [secret.name for secret in fields(Secrets)])
def test_each_secret_comes_from_environment_credentials_or_secrets_directory(
    name: str, tmp_path: Path
) -> None:
    credentials, secrets = tmp_path / "credentials", tmp_path / "secrets"
    credentials.mkdir()
    secrets.mkdir()

    def value(environ: dict[str, str]) -> str:
        text = f'[bridge]\nsite = "a"\nsecrets_dir = "{secrets}"\n'
        return read(text, environ).secret_values()[0]

    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    (credentials / name).write_text("from credentials\n")
    assert value(environ) == "from credentials"
    (secrets / name).write_text("from secrets_dir\n")
    assert value(environ) == "from secrets_dir"
    assert value(environ | {f"CHIP_BRIDGE_{name.upper()}": "from env"}) == "from env"


def test_an_empty_credential_is_none(tmp_path: Path) -> None:
    (tmp_path / "web_token").write_text("\n")
    loaded = read(WHOLE, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.secrets.web_token is None


def test_secrets_that_cannot_be_read_stop_only_the_service(tmp_path: Path) -> None:
    text = changed('site = "finish-a"', f'site = "a"\nsecrets_dir = "{tmp_path / "none"}"')
    assert "cannot be read" in only_complaint(text)
    assert read(text, serving=False).secret_values() == []


def test_pages_for_the_network_need_a_token_only_to_serve_them() -> None:
    text = changed('"127.0.0.1:8080"', '"0.0.0.0:8080"')
    assert read(text, {"CHIP_BRIDGE_WEB_TOKEN": "s3cretS3cret"}).config.web is not None
    assert read(text, serving=False).config.web is not None


def test_secrets_do_not_show_when_printed() -> None:
    loaded = read(WHOLE, {"CHIP_BRIDGE_WEB_TOKEN": "s3cretS3cret"})
    assert "s3cret" not in repr(loaded)
    assert loaded.secret_values() == ["s3cretS3cret"]


def test_relative_paths_begin_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    path = tmp_path / "bridge.toml"
    path.write_text(
        '[bridge]\nsite = "a"\ndata_dir = "data"\nsecrets_dir = "."\n'
        '[provider]\nkind = "file"\nparticipants_file = "p.csv"\n'
        '[mqtt]\nurl = "mqtts://h"\nca_file = "ca.pem"\n'
    )
    config = load_config(path, {}, DRIVERS).config
    assert config.bridge.data_dir == tmp_path / "data"
    assert config.bridge.secrets_dir == tmp_path
    assert config.provider is not None
    assert config.provider.participants_file == tmp_path / "p.csv"
    assert config.mqtt is not None
    assert config.mqtt.ca_file == tmp_path / "ca.pem"


def test_the_configuration_is_looked_for_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"CHIP_BRIDGE_CONFIG": "named.toml"}
    assert find_config(Path("given.toml"), environ) == Path("given.toml")
    assert find_config(None, environ) == Path("named.toml")
    with pytest.raises(ConfigError, match="`chip-bridge init` writes one"):
        find_config(None, {})
    (tmp_path / "bridge.toml").touch()
    assert find_config(None, {}) == Path("bridge.toml")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        load_config(tmp_path / "none.toml", {}, DRIVERS)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path, {}, DRIVERS)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[bridge]\nsite = "Z\xfcrich"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml:2 is not UTF-8"):
        load_config(latin, {}, DRIVERS)


def test_check_warns_of_what_may_not_be_meant() -> None:
    warned = "\n".join(warnings_of(read(WHOLE).config))
    assert "No reader of this box is at '5k'" in warned
    assert "No reader of this box is at 'start'" in warned
    assert "'finish'" not in warned
    elsewhere = WHOLE.replace('location = "finish"\nurl', 'location = "tent"\nurl')
    assert "'tent', which is on no course" in "\n".join(warnings_of(read(elsewhere).config))
    shadow = changed("race_id = 12345", "race_id = 1\npost = false")
    assert "nothing is posted" in "\n".join(warnings_of(read(shadow).config))
    bare = "\n".join(warnings_of(read('[bridge]\nsite = "a"\n').config))
    assert "There is no [[reader]]" in bare
    assert "There is no [[event]]" in bare
