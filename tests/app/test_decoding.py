"""Whole captures through the drivers: nothing lost, and nothing depends on how bytes come."""

from pathlib import Path

import pytest

from bridge.app.captures import form_of, pieces
from bridge.app.decoding import Decoding, Shown
from bridge.app.registry import Registry
from bridge.driver_api import Opening
from drivers import BUILTIN

VECTORS = Path("tests/vectors")
CAPTURES = [("ipico", path) for path in sorted((VECTORS / "ipico").iterdir())]
CAPTURES += [("race-result", path) for path in sorted((VECTORS / "captures").iterdir())]


def decoded(driver: str, path: Path, chunk: int | None) -> tuple[list[Shown], Decoding]:
    decoding = Decoding(Registry(BUILTIN).find(driver), Opening(), chunk)
    shown: list[Shown] = []
    with path.open("rb") as file:
        head = file.peek(4096)
        for piece in pieces(form_of(head, path.name), file, head):
            shown += decoding.feed(piece)
    shown += decoding.finish()
    return shown, decoding


@pytest.mark.parametrize(("driver", "path"), CAPTURES, ids=lambda value: getattr(value, "name", ""))
def test_a_capture_is_accounted_for_however_it_is_cut(driver: str, path: Path) -> None:
    whole, decoding = decoded(driver, path, None)
    account = decoding.account
    assert account.file == path.stat().st_size
    assert account.reader == account.events > 0
    assert sum(account.kinds.values()) == len(whole)
    for chunk in (1, 7, 100):
        again, cut = decoded(driver, path, chunk)
        assert again == whole
        assert cut.account == account
