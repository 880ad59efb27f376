"""What is shown where a recording ends within a frame, or without the very last line end."""

import pytest

from bridge.app.captures import Piece
from bridge.app.decoding import Decoding, Shown
from bridge.app.registry import Registry
from bridge.driver_api import Opening
from drivers import BUILTIN

IPICO = b"aa0005800012860800012603062027472353"
CHAFON = bytes.fromhex("1500010301010C0000000000000000000003136BB1A5")
AMB = bytes.fromhex("8e021f004d7c0000020001022700070216000c01760601008104131804008f")


def decoded(driver: str, *wire: bytes) -> tuple[list[Shown], Decoding]:
    decoding = Decoding(Registry(BUILTIN).find(driver), Opening())
    shown: list[Shown] = []
    for data in wire:
        piece = Piece(container=0, written=len(data), data=data)
        shown += decoding.feed(piece)
    shown += decoding.finish()
    account = decoding.account
    assert account.file == account.reader == account.events == len(b"".join(wire))
    assert sum(account.kinds.values()) == len(shown)
    return shown, decoding


def in_short(shown: list[Shown]) -> list[tuple[object, ...]]:
    return [(one["kind"], one.get("reason"), one["raw"]) for one in shown]


@pytest.mark.parametrize(
    ("driver", "wire", "last"),
    [
        ("ipico", IPICO, ("read", None, IPICO.decode())),
        ("ipico", IPICO + b"\r", ("read", None, IPICO.decode() + "\r")),
        ("ipico", IPICO[:16], ("rejected", "incomplete", IPICO[:16].decode())),
        ("ipico", IPICO[:-1] + b"4", ("rejected", "incomplete", IPICO[:-1].decode() + "4")),
        ("jchip", b"DJ413A74 13:00:50.3510 10  00000      C7\r\n", ("control", None, "\n")),
        ("jchip", b"DJ413A74 13:00:50.3510 10  00000      C7", ("read", None, None)),
        ("alge", b" 0035 C1M 21:46:36.3900 00", ("read", None, None)),
        ("chafon", CHAFON, ("read", None, CHAFON.hex())),
        ("chafon", CHAFON + CHAFON[:9], ("rejected", "incomplete", CHAFON[:9].hex())),
        ("chafon", CHAFON[:-1] + b"\xa6", ("rejected", "checksum", f"{CHAFON.hex()[:-1]}6")),
        ("amb-p3", AMB + AMB[:20], ("rejected", "incomplete", AMB[:20].hex())),
    ],
)
def test_the_end_of_a_recording(driver: str, wire: bytes, last: tuple[object, ...]) -> None:
    kind, reason, raw = in_short(decoded(driver, wire)[0])[-1]
    assert (kind, reason, raw) == (*last[:2], wire.decode() if last[2] is None else last[2])


def test_each_connection_has_an_end_of_its_own() -> None:
    decoding = Decoding(Registry(BUILTIN).find("ipico"), Opening())
    shown: list[Shown] = []
    for connection, data in (("a", IPICO), ("b", IPICO[:9]), ("a", b"\r\n")):
        piece = Piece(container=0, written=len(data), data=data, connection=connection)
        shown += decoding.feed(piece)
    assert [one["kind"] for one in shown] == ["read"]
    assert in_short(list(decoding.finish())) == [("rejected", "incomplete", IPICO[:9].decode())]
