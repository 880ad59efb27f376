"""When a shortage is proved, and when it is only a line under way."""

from drivers.ipico.ledger import CALM, PATIENCE, Ledger


def test_a_line_behind_the_status_reply_is_not_missing() -> None:
    ledger = Ledger(0, 0)
    behind = 0
    for poll in range(1, 100):
        ledger.lines += 10 + behind
        behind = 0 if poll % (PATIENCE - 1) == 0 else 1
        ledger.lines -= behind
        assert ledger.observe(poll * 10) == 0


def test_a_rush_proves_nothing() -> None:
    ledger = Ledger(0, 0)
    ledger.observe(0)
    for poll in range(1, 100):  # the reader's queue is never empty at 85 lines per second
        ledger.lines += CALM * 4
        assert ledger.observe(poll * CALM * 4 + 20) == 0
    ledger.lines += 20
    assert ledger.observe(99 * CALM * 4 + 20) == 0
    assert ledger.written == 99 * CALM * 4 + 20


def test_a_line_before_the_status_reply_hides_no_later_hole() -> None:
    ledger = Ledger(100, 1)
    assert ledger.observe(100) == 0  # one line more than records: W was taken before
    assert ledger.observe(101) == 0
    ledger.lines += 2
    assert [ledger.observe(105), ledger.observe(105)] == [0, 2]


def test_a_shortage_is_proved_by_a_silence_or_by_lasting() -> None:
    ledger = Ledger(100, 0)
    assert [ledger.observe(103), ledger.observe(103)] == [0, 3]
    ledger = Ledger(100, 0)
    verdicts = []
    for poll in range(PATIENCE + 1):  # the first has none before it to be calm after
        ledger.lines += 10
        verdicts.append(ledger.observe(112 + 10 * poll + poll % 2))
    assert verdicts == [0] * PATIENCE + [2]
