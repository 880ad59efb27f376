"""The reader made of software, as any client finds it."""

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import Chip, Opening, Out, Sighting
from drivers.llrp import DRIVER, orders
from drivers.llrp.emulator import LlrpEmulator
from drivers.llrp.facts import capabilities, configuration
from drivers.llrp.facts import rospecs as rospecs_of
from drivers.llrp.notices import notice
from drivers.llrp.wire import HEADER_LEN, Msg, Par, message, outcome, tlv, u8, u16, u32
from tests.support.llrp import START_NS, Line, kinds


class Client:
    """Somebody else's program, connected to the emulator."""

    def __init__(self, reader: LlrpEmulator, number: int = 1) -> None:
        self.reader, self.number = reader, number
        self.now_ns = START_NS
        self.closed = False
        self.got = self._take(reader.connected(number, "main", self.now_ns))

    def _take(self, outs: object) -> bytes:
        assert isinstance(outs, list | tuple)
        mine = [out for out in outs if isinstance(out, Out) and out.client in (None, self.number)]
        self.closed = self.closed or any(out.close for out in mine)
        return b"".join(out.data for out in mine)

    def asks(self, request: bytes) -> bytes:
        return self._take(self.reader.received(self.number, request, self.now_ns))

    def does(self, kind: Msg, body: bytes = b"") -> int:
        """Return the status code of the response."""
        data = self.asks(message(kind, 5, body))
        while kinds(data[: int.from_bytes(data[2:6], "big")]) != [Msg(kind + 10)]:
            data = data[int.from_bytes(data[2:6], "big") :]
        return outcome(data[HEADER_LEN:]).code

    def waits(self, seconds: float) -> bytes:
        self.now_ns += round(seconds * NS_PER_S)
        return self._take(self.reader.tick(self.now_ns))

    def sees(self, number: int = 1, antenna: int = 1) -> bytes:
        one = Sighting(
            chip=DRIVER.example_chip(number), stamp=self.now_ns, antenna=antenna, seq=number
        )
        return self._take(self.reader.sighted(one))


def rospec(number: int = 1, *, every: int = 1, start: int = 0, lasts_ms: int = 0) -> bytes:
    boundary = tlv(
        Par.RO_BOUNDARY_SPEC,
        tlv(Par.RO_START_TRIGGER, u8(start)),
        tlv(Par.RO_STOP_TRIGGER, u8(lasts_ms > 0), u32(lasts_ms)),
    )
    antennas = tlv(Par.AI_SPEC, u16(1), u16(0), tlv(Par.AI_STOP_TRIGGER, u8(0), u32(0)))
    content = tlv(Par.CONTENT_SELECTOR, u16(0x1780))
    report = tlv(Par.RO_REPORT_SPEC, u8(2), u16(every), content)
    return tlv(Par.RO_SPEC, u32(number), u8(0), u8(0), boundary, antennas, report)


def running(reader: LlrpEmulator, spec: bytes | None = None) -> Client:
    client = Client(reader)
    assert client.does(Msg.ADD_ROSPEC, spec or rospec()) == 0
    assert client.does(Msg.ENABLE_ROSPEC, u32(1)) == 0
    assert client.does(Msg.START_ROSPEC, u32(1)) == 0
    return client


def hold(client: Client) -> None:
    assert client.does(Msg.SET_READER_CONFIG, u8(0) + tlv(Par.EVENTS_AND_REPORTS, u8(0x80))) == 0


def tags_in(data: bytes) -> int:
    return sum(isinstance(event, Read) for event in DRIVER.session(Opening()).feed(data))


def test_it_speaks_first_and_admits_one_client_only() -> None:
    reader = LlrpEmulator({})
    first = Client(reader)
    assert notice(first.got[HEADER_LEN:]).attempt == 0
    outs = reader.connected(2, "main", START_NS)
    refused = [out for out in outs if out.client == 2]
    told = [out for out in outs if out.client == 1]
    assert notice(refused[0].data[HEADER_LEN:]).attempt == 2
    assert refused[0].close
    assert notice(told[0].data[HEADER_LEN:]).attempt == 4
    reader.disconnected(2)
    assert reader.received(2, message(Msg.GET_ROSPECS, 1), START_NS) == []
    reader.disconnected(1)
    assert notice(Client(reader, 3).got[HEADER_LEN:]).attempt == 0


def test_nothing_is_read_before_a_rospec_runs() -> None:
    reader = LlrpEmulator({"early": False})
    client = Client(reader)
    assert client.sees() == b""
    assert client.does(Msg.ADD_ROSPEC, rospec()) == 0
    assert client.does(Msg.ADD_ROSPEC, rospec()) != 0
    assert client.does(Msg.START_ROSPEC, u32(1)) != 0, "it is not enabled yet"
    assert client.does(Msg.ENABLE_ROSPEC, u32(1)) == 0
    assert client.sees() == b""
    assert client.does(Msg.START_ROSPEC, u32(1)) == 0
    assert tags_in(client.sees()) == 1
    assert rospecs_of(client.asks(message(Msg.GET_ROSPECS, 1))[HEADER_LEN:]) == {1: 2}
    assert client.does(Msg.STOP_ROSPEC, u32(1)) == 0
    assert client.sees() == b""
    assert client.does(Msg.DISABLE_ROSPEC, u32(0)) == 0
    assert client.does(Msg.DELETE_ROSPEC, u32(9)) != 0
    assert client.does(Msg.DELETE_ROSPEC, u32(0)) == 0
    assert rospecs_of(client.asks(message(Msg.GET_ROSPECS, 1))[HEADER_LEN:]) == {}


def test_a_recording_loses_none_of_its_first_lines() -> None:
    reader = LlrpEmulator({})
    client = Client(reader)
    assert [client.sees(number) for number in (1, 2, 3)] == [b""] * 3
    client.does(Msg.ADD_ROSPEC, rospec())
    client.does(Msg.ENABLE_ROSPEC, u32(1))
    assert tags_in(client.asks(message(Msg.START_ROSPEC, 1, u32(1)))) == 3
    client.does(Msg.STOP_ROSPEC, u32(1))
    assert client.sees(4) == b""
    client.does(Msg.ENABLE_ROSPEC, u32(1))
    assert tags_in(client.asks(message(Msg.START_ROSPEC, 1, u32(1)))) == 0


def test_a_rospec_may_begin_by_itself_and_end_by_itself() -> None:
    reader = LlrpEmulator({})
    client = Client(reader)
    client.does(Msg.ADD_ROSPEC, rospec(start=1, lasts_ms=3_000))
    client.does(Msg.ENABLE_ROSPEC, u32(1))
    assert tags_in(client.sees()) == 1
    client.waits(2)
    assert tags_in(client.sees()) == 1
    client.waits(1)
    assert client.sees() == b""


def test_tags_are_reported_by_the_number_asked_for() -> None:
    client = running(LlrpEmulator({}), rospec(every=3))
    assert [tags_in(client.sees(number)) for number in range(1, 8)] == [0, 0, 3, 0, 0, 3, 0]
    assert tags_in(client.asks(message(Msg.STOP_ROSPEC, 1, u32(1)))) == 1
    client = running(LlrpEmulator({}), rospec(every=0))
    assert [tags_in(client.sees(number)) for number in range(1, 5)] == [0] * 4
    assert tags_in(client.asks(message(Msg.STOP_ROSPEC, 1, u32(1)))) == 4


def test_reads_are_held_until_they_are_asked_for() -> None:
    reader = LlrpEmulator({})
    client = running(reader)
    hold(client)
    reader.disconnected(1)
    for number in range(120):
        client.sees(number + 1)
    again = Client(reader, 2)
    assert kinds(again.got) == [Msg.READER_EVENT_NOTIFICATION]
    assert again.sees(500) == b""
    assert again.asks(message(Msg.KEEPALIVE_ACK, 1)) == b""
    flushed = again.asks(message(Msg.ENABLE_EVENTS_AND_REPORTS, 1))
    assert tags_in(flushed) == 121
    assert tags_in(again.sees(501)) == 1


def test_without_holding_they_come_when_fetched() -> None:
    reader = LlrpEmulator({"hold": False})
    client = running(reader)
    wanted = u8(0) + tlv(Par.EVENTS_AND_REPORTS, u8(0x80))
    assert client.does(Msg.SET_READER_CONFIG, wanted) != 0
    reader.disconnected(1)
    client.sees(1)
    again = Client(reader, 2)
    assert tags_in(again.sees(2)) == 1
    assert tags_in(again.asks(message(Msg.GET_REPORT, 1))) == 1
    assert kinds(again.asks(message(Msg.GET_REPORT, 1))) == [Msg.RO_ACCESS_REPORT]


def test_a_full_buffer_loses_reads_and_says_so() -> None:
    reader = LlrpEmulator({"buffer": 10})
    client = running(reader)
    hold(client)
    reader.disconnected(1)
    for number in range(15):
        client.sees(number + 1)
    again = Client(reader, 2)
    flushed = again.asks(message(Msg.ENABLE_EVENTS_AND_REPORTS, 1))
    assert kinds(flushed) == [Msg.RO_ACCESS_REPORT, Msg.READER_EVENT_NOTIFICATION]
    assert tags_in(flushed) == 10
    last = flushed[int.from_bytes(flushed[2:6], "big") :]
    assert notice(last[HEADER_LEN:]).overflow


def test_it_lets_go_of_a_client_that_does_not_answer_keepalives() -> None:
    reader = LlrpEmulator({})
    client = Client(reader)
    monitored = orders.set_config(1, capabilities(answer(client, Msg.GET_READER_CAPABILITIES)))
    assert outcome(client.asks(monitored)[HEADER_LEN:]).ok
    for _ in range(5):
        assert kinds(client.waits(2)) == [Msg.KEEPALIVE]
        client.asks(message(Msg.KEEPALIVE_ACK, 1))
    for _ in range(4):
        client.waits(2)
    assert client.closed


def answer(client: Client, kind: Msg, body: bytes = b"\0") -> bytes:
    return client.asks(message(kind, 1, body))[HEADER_LEN:]


@pytest.mark.parametrize(
    ("vendor", "impinj", "most"), [("impinj", True, 1), ("zebra", False, 8), ("generic", False, 8)]
)
def test_readers_of_several_makers(vendor: str, impinj: bool, most: int) -> None:  # noqa: FBT001
    client = Client(LlrpEmulator({"vendor": vendor, "antennas": 8, "clock": "uptime"}))
    told = capabilities(answer(client, Msg.GET_READER_CAPABILITIES))
    assert (told.is_impinj, told.most_rospecs, told.antennas) == (impinj, most, 8)
    assert (told.has_utc, told.can_hold) == (False, True)
    extended = client.asks(orders.enable_extensions(1))
    assert kinds(extended) == [Msg.CUSTOM_MESSAGE if impinj else Msg.ERROR_MESSAGE]
    config = configuration(answer(client, Msg.GET_READER_CONFIG, bytes(7)))
    assert list(config.antennas) == list(range(1, 9))
    assert config.state_value is not None
    one = configuration(answer(client, Msg.GET_READER_CONFIG, bytes([0, 0, 7, 0, 0, 0, 0])))
    assert (one.state_value, one.antennas) == (config.state_value, {})


def test_the_state_value_changes_with_the_setup_only() -> None:
    reader = LlrpEmulator({})
    client = running(reader)

    def value() -> int | None:
        return configuration(answer(client, Msg.GET_READER_CONFIG, bytes(7))).state_value

    before = value()
    client.does(Msg.STOP_ROSPEC, u32(1))
    client.does(Msg.START_ROSPEC, u32(1))
    assert value() == before
    client.does(Msg.SET_READER_CONFIG, u8(0))
    assert value() != before


@pytest.mark.parametrize(
    "option",
    [{"omit_unchanged": True}, {"epc_data": True}, {"empty_reports": True}, {"vendor": "zebra"}],
)
def test_its_oddities_are_read_by_our_session(option: dict[str, object]) -> None:
    line = Line(emulator_options=option)
    line.plug()
    line.wait(10)
    for number, antenna in enumerate([1, 1, 2, 2, 2, 1], start=1):
        chip = Chip(f"{number:024X}")
        line.sight(Sighting(chip=chip, stamp=line.now_ns, antenna=antenna, seq=number))
    assert [read.antenna for read in line.reads] == [1, 1, 2, 2, 2, 1]
    assert [int(read.chip, 16) for read in line.reads] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "option",
    [
        {"vendor": "acme"},
        {"buffer": 0},
        {"hold": 1},
        {"clock": "local"},
        {"antennas": "4"},
        {"x": 1},
    ],
)
def test_options_it_does_not_have_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        DRIVER.emulator(option)


def test_it_says_goodbye_and_hangs_up_on_nonsense() -> None:
    client = Client(LlrpEmulator({}))
    assert kinds(client.asks(message(Msg.CLOSE_CONNECTION, 3))) == [Msg.CLOSE_CONNECTION_RESPONSE]
    assert client.closed
    other = Client(LlrpEmulator({}))
    assert kinds(other.asks(message(77, 1))) == [Msg.ERROR_MESSAGE]
    assert kinds(other.asks(message(Msg.GET_REPORT, 1)[:6])) == []
    torn = Client(LlrpEmulator({}))
    torn.asks(b"\x04\x01\x00\x00\x00\x01" + bytes(4))
    assert torn.closed


def test_access_operations_are_none_of_its_business() -> None:
    client = Client(LlrpEmulator({}))
    assert client.does(Msg.DELETE_ACCESSSPEC, u32(0)) == 0
    assert client.does(Msg.GET_ACCESSSPECS) == 0
