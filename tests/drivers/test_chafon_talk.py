"""Chafon: what is said to older and newer readers, and the emulators of both."""

import pytest

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Control, Sighting, Status, TcpLink
from drivers.chafon import DRIVER, older, prime, wire
from drivers.chafon.emulator import make
from tests.support.loopback import Loopback
from tests.support.modules import NOON, Host, decoded, reads, recorded, rejected

QUESTION = bytes.fromhex("04FF211995")
INFO = recorded("chafon")[6]
INFO_18 = older.answer(older.INFO, 0, bytes.fromhex("0305090331801A0A"))
READ_ON = wire.older(older.INVENTORY, bytes.fromhex("0400008001"))
READ_ON_18 = wire.older(older.INVENTORY)
EMPTY = bytes.fromhex("0700010101001E4B")
PRIME_QUESTION = bytes.fromhex("CFFF0070002415")
PRIME_SETTINGS = bytes.fromhex("CFFF00720017A5")
PRIME_START = bytes.fromhex("CFFF0001050000000000F5B5")
ACTIVE = recorded("chafon", "prime_replies")[1]
IDLE = recorded("chafon", "prime_replies")[4]
LIVE_TAG = older.answer(older.LIVE, 0, bytes.fromhex("010CE20000173804007111909EE540"))


def settings(mode: int, filter_s: int = 0) -> bytes:
    data = bytearray(ACTIVE[6:-2])
    data[2], data[21] = mode, filter_s
    return prime.answer(prime.PARAMETERS, 0, bytes(data))


def started(options: dict[str, object] | None = None) -> Host:
    """A session with an 86 reader in answer mode that was asked for its first inventory."""
    host = Host(DRIVER, options)
    assert host.open() == []
    assert host.tick() == [QUESTION]
    assert len(host.hear(INFO)) == 1
    return host


def test_it_listens_before_it_speaks_and_then_reads_round_after_round() -> None:
    host = Host(DRIVER)
    assert host.open() == []
    assert host.tick() == [QUESTION]
    assert host.hear(INFO) == [READ_ON]
    assert host.hear(EMPTY) == [READ_ON]
    more = older.encode(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    assert host.hear(more) == []
    assert host.hear(more, EMPTY) == [READ_ON]
    assert host.tick() == []


@pytest.mark.parametrize("status", [0x01, 0x02, 0x04, 0xF9, 0xFA, 0xFB, 0xFC])
def test_each_last_answer_begins_the_next_round(status: int) -> None:
    host = started()
    assert host.hear(older.answer(older.INVENTORY, status, b"\x01\x00")) == [READ_ON]


def test_statistics_end_no_round() -> None:
    assert started().hear(older.answer(older.INVENTORY, older.STATISTICS, bytes(7))) == []


def test_antennas_are_asked_in_turn_with_session_and_scan_time() -> None:
    options = {"antennas": [1, 4], "session": 1, "scan_time": 3}
    host = Host(DRIVER, options)
    host.open()
    host.tick()
    asked = host.hear(INFO) + host.hear(EMPTY) + host.hear(EMPTY)
    wanted = [bytes.fromhex(data) for data in ("0401008003", "0401008303", "0401008003")]
    assert asked == [wire.older(older.INVENTORY, data) for data in wanted]


def test_a_reader_of_the_simple_type_is_asked_in_the_simple_way() -> None:
    host = Host(DRIVER)
    host.open()
    host.tick()
    assert host.hear(INFO_18) == [READ_ON_18]
    assert host.hear(older.answer(older.INVENTORY, older.NO_TAG)) == [READ_ON_18]


def test_a_told_dialect_wins_over_the_type() -> None:
    host = Host(DRIVER, {"dialect": "uhfreader288"})
    host.open()
    host.tick()
    assert host.hear(INFO_18) == [READ_ON]


def test_an_antenna_fault_is_told_and_waits_for_a_tick() -> None:
    host = started()
    assert host.hear(older.answer(older.INVENTORY, older.NO_ANTENNA)) == []
    assert "cable" in host.alarms["antenna"]
    assert host.tick() == [READ_ON]
    host.hear(EMPTY)
    assert host.alarms["antenna"] == ""


def test_a_refused_inventory_is_told() -> None:
    host = started()
    assert host.hear(older.answer(older.INVENTORY, 0xFF)) == []
    assert "parameter error" in host.alarms["inventory"]
    assert host.tick() == [READ_ON]
    host.hear(EMPTY)
    assert host.alarms["inventory"] == ""


def test_a_lost_answer_does_not_stop_the_loop() -> None:
    host = started()
    host.hear(EMPTY)
    assert host.tick(3) == [QUESTION]
    assert host.hear(INFO) == [READ_ON]


def test_a_reader_that_talks_by_itself_is_listened_to_and_asked_in_quiet_times() -> None:
    host = Host(DRIVER)
    host.open()
    assert host.hear(LIVE_TAG) == []
    sent = host.tick(5)
    assert sent == [QUESTION]
    assert host.hear(INFO) == []
    for _ in range(60):
        host.hear(LIVE_TAG)
        assert host.tick() == []
    assert not host.hung_up


def test_a_silent_reader_in_real_time_mode_is_found_out_and_kept() -> None:
    host = started()
    sent: list[bytes] = []
    for _ in range(100):
        asked = host.tick()
        sent += asked
        if QUESTION in asked:
            sent += host.hear(INFO)
    assert not host.hung_up
    assert 2 <= sent.count(READ_ON) <= 6
    assert host.hear(EMPTY) == [READ_ON]


def test_a_reader_that_left_real_time_mode_is_read_again() -> None:
    host = Host(DRIVER)
    host.open()
    host.hear(LIVE_TAG)
    sent: list[bytes] = []
    for _ in range(40):
        asked = host.tick()
        sent += asked
        if QUESTION in asked:
            host.hear(INFO)
    assert READ_ON in sent
    assert host.hear(EMPTY) == [READ_ON]


def test_both_kinds_are_asked_for_until_one_answers() -> None:
    host = Host(DRIVER)
    host.open()
    assert host.tick(4) == [QUESTION, PRIME_QUESTION, QUESTION, PRIME_QUESTION]
    host.tick(4)
    assert "57600" in host.hung_up


def test_a_newer_reader_in_active_mode_is_listened_to() -> None:
    host = Host(DRIVER, {"dialect": "prime"})
    assert host.open() == [PRIME_QUESTION]
    assert host.hear(b"\0\0" + prime.answer(prime.INFO, 0, b"CF591\0V1.2")) == [PRIME_SETTINGS]
    assert host.hear(ACTIVE) == []
    assert host.tick(3) == [PRIME_SETTINGS]
    assert host.hear(ACTIVE) == []
    assert host.alarms == {"filter": ""}


def test_a_newer_reader_in_answer_mode_is_told_to_read() -> None:
    host = Host(DRIVER)
    host.open()
    assert host.tick(2) == [QUESTION, PRIME_QUESTION]
    assert host.hear(prime.answer(prime.INFO, 0, b"CF591\0")) == [PRIME_SETTINGS]
    assert host.hear(settings(prime.ANSWER_MODE)) == [PRIME_START]
    sent = []
    for _ in range(30):
        sent += host.hear(IDLE)
        sent += host.tick()
    assert sent == []
    assert not host.hung_up


def test_an_inventory_that_says_nothing_any_more_is_begun_again() -> None:
    host = Host(DRIVER, {"dialect": "prime"})
    host.open()
    host.hear(settings(prime.ANSWER_MODE))
    sent = []
    for _ in range(6):
        sent += host.tick()
        host.hear(settings(prime.ANSWER_MODE))
    assert sent.count(PRIME_START) == 1


def test_a_newer_reader_is_asked_until_it_answers() -> None:
    host = Host(DRIVER, {"dialect": "prime"})
    host.open()
    assert host.tick(2) == [PRIME_SETTINGS, PRIME_QUESTION, PRIME_SETTINGS]


def test_a_filter_time_is_told() -> None:
    host = Host(DRIVER, {"dialect": "prime"})
    host.open()
    host.hear(settings(1, filter_s=5))
    assert "once in 5 s" in host.alarms["filter"]
    host.hear(settings(1))
    assert host.alarms["filter"] == ""


def test_a_silent_newer_reader_is_asked_and_given_up() -> None:
    host = Host(DRIVER, {"dialect": "prime"})
    host.open()
    host.hear(ACTIVE)
    assert PRIME_SETTINGS in host.tick(4)
    host.tick(6)
    assert host.hung_up


def test_nothing_that_is_kept_is_ever_sent() -> None:
    for emulator in ({}, {"dialect": "uhfreader18"}, {"dialect": "prime"}, {"realtime": True}):
        pair = Loopback(DRIVER, emulator_options=emulator)
        pair.plug()
        pair.wait(40)
        codes = set()
        for event in pair.events:
            data = getattr(event, "data", b"")
            if data:
                is_prime = wire.is_prime(data)
                codes.add(prime.code_of(data) if is_prime else data[2])
        assert codes <= {older.INFO, older.INVENTORY, prime.INFO, prime.PARAMETERS}


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("dialect", ["uhfreader288", "uhfreader18", "prime"])
def test_readers_made_of_software_are_read(dialect: str, *, realtime: bool) -> None:
    pair = Loopback(DRIVER, emulator_options={"dialect": dialect, "realtime": realtime})
    pair.plug()
    pair.wait(12)
    for number in range(20):
        pair.sight(Sighting(chip=DRIVER.example_chip(number), stamp=0))
        if number % 4 == 3:
            pair.wait(1)
    pair.wait(60)
    assert [read.chip for read in pair.reads] == [DRIVER.example_chip(n) for n in range(20)]
    assert pair.hung_up is None
    assert not rejected(pair.events)


def test_the_older_emulator_answers_other_hosts_too() -> None:
    reader = make({})
    reader.connected(1, "main", NOON)

    def hear(*frames: bytes) -> bytes:
        return b"".join(out.data for frame in frames for out in reader.received(1, frame, NOON))

    assert hear(wire.older(older.INFO, address=0)) == INFO
    assert hear(bytes.fromhex("04004C3AD2")) == bytes.fromhex("09004C001743901549C0")
    assert hear(bytes.fromhex("05004001993A")) == older.answer(0x40, 0)
    assert hear(wire.older(0x99)) == older.answer(0x99, older.ILLEGAL)
    assert hear(wire.older(older.INFO, address=7)) == b""
    assert hear(bytes.fromhex("040021D96B")) == b""
    assert hear(PRIME_QUESTION) == b""
    assert hear(wire.older(older.INVENTORY, b"\x04")) == older.answer(older.INVENTORY, 0xFF)
    assert hear(READ_ON, QUESTION) == b""
    reader.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    [out] = reader.tick(NOON)
    assert out.data.endswith(EMPTY)
    assert len(reads(decoded(DRIVER, out.data))) == 1


def test_the_buffer_of_the_older_emulator() -> None:
    reader = make({})
    reader.connected(1, "main", NOON)

    def hear(code: int, data: bytes = b"") -> bytes:
        outs = reader.received(1, wire.older(code, data), NOON)
        return b"".join(out.data for out in outs)

    for number in range(2):
        reader.sighted(Sighting(chip=DRIVER.example_chip(number), stamp=0))
    filled = hear(older.TO_BUFFER, bytes.fromhex("0400008003"))
    assert filled == older.answer(older.TO_BUFFER, 0, bytes.fromhex("00020002"))
    [stored] = decoded(DRIVER, hear(older.READ_BUFFER))
    assert isinstance(stored, Control)
    assert str(stored.extra["data"]).startswith("02010CE200001738")
    assert hear(older.COUNT_BUFFER) == older.answer(older.COUNT_BUFFER, 0, b"\0\x02")
    hear(older.CLEAR_BUFFER)
    assert hear(older.COUNT_BUFFER) == older.answer(older.COUNT_BUFFER, 0, b"\0\0")


def test_real_time_mode_of_the_older_emulator_beats_when_told_to() -> None:
    reader = make({})
    reader.connected(1, "main", NOON)
    reader.received(1, wire.older(older.HEARTBEAT, b"\x81"), NOON)
    [out] = reader.received(1, wire.older(older.MODE, b"\x01"), NOON)
    assert out.data == older.answer(older.MODE, 0)
    assert list(reader.received(1, READ_ON, NOON)) == []
    assert list(reader.tick(NOON)) == []
    [beat] = reader.tick(NOON + 30 * NS_PER_S)
    [status] = decoded(DRIVER, beat.data)
    assert isinstance(status, Status)
    assert status.fields == {"antennas": "1000"}
    assert list(reader.received(1, wire.older(older.MODE, b"\x00"), NOON))
    assert list(reader.tick(NOON + 90 * NS_PER_S)) == []


def test_the_newer_emulator_answers_other_hosts_too() -> None:
    reader = make({"dialect": "prime"})
    [greeting] = reader.connected(1, "main", NOON)
    assert greeting.data == b"\0\0"

    def hear(frame: bytes) -> bytes:
        return b"".join(out.data for out in reader.received(1, frame, NOON))

    [info] = decoded(DRIVER, hear(PRIME_QUESTION))
    assert isinstance(info, Status)
    assert "CF591" in str(info.fields["firmware"])
    assert hear(wire.newer(prime.STOP)) == bytes.fromhex("CF00000201009EEA")
    assert hear(wire.newer(prime.POWER, b"\x1a\x00")) == bytes.fromhex("CF000053010047D5")
    assert hear(wire.newer(0x0099)) == prime.answer(0x0099, 1)
    assert hear(wire.newer(prime.INFO, address=9)) == b""
    assert hear(QUESTION) == b""
    reader.sighted(Sighting(chip=DRIVER.example_chip(1), stamp=0))
    assert len(reads(decoded(DRIVER, hear(PRIME_START)))) == 1
    assert [out.data for out in reader.tick(NOON)] == [IDLE]
    assert list(reader.tick(NOON)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dialect": 288}, "allowed: auto, uhfreader288, uhfreader18, prime"),
        ({"antennas": [17]}, "allowed: a list of different ports from 1 to 16"),
        ({"session": 4}, "allowed: 0 to 3"),
        ({"scan_time": 0}, "allowed: 1 to 20"),
        ({"sixteen_ports": 1}, "allowed: true, false"),
        ({"dialect": "prime", "session": 1}, "'session' is for the 86 and 288 series"),
        ({"power": 3}, "allowed: dialect, antennas, session, scan_time, sixteen_ports"),
    ],
)
def test_options_that_are_not(options: dict[str, object], words: str) -> None:
    [complaint] = DRIVER.check_options(options)
    assert words in complaint


@pytest.mark.parametrize("options", [{"dialect": "auto"}, {"realtime": 1}, {"power": 3}])
def test_emulator_options_that_are_not(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        make(options)


def test_all_usual_ports_are_known() -> None:
    ports = {link.port for link in DRIVER.links if isinstance(link, TcpLink)}
    assert ports == {6000, 27_011, 2022}
