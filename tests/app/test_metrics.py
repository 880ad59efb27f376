import re

from bridge.app.metrics import MetricSheet

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"(,[a-z]+="(\\.|[^"\\])*")*\})? \S+$')


def test_samples_of_a_metric_stand_together_under_their_type() -> None:
    sheet = MetricSheet()
    for reader in ("main", "backup"):
        sheet.gauge("up", reader == "main", {"reader": reader, "location": "finish"})
        sheet.counter("reads_total", 7, {"reader": reader})
    sheet.gauge("age_seconds", 1.5)
    assert sheet.text().splitlines() == [
        "# TYPE chip_bridge_up gauge",
        'chip_bridge_up{reader="main",location="finish"} 1',
        'chip_bridge_up{reader="backup",location="finish"} 0',
        "# TYPE chip_bridge_reads_total counter",
        'chip_bridge_reads_total{reader="main"} 7',
        'chip_bridge_reads_total{reader="backup"} 7',
        "# TYPE chip_bridge_age_seconds gauge",
        "chip_bridge_age_seconds 1.5",
    ]


def test_any_name_of_an_event_makes_a_readable_line() -> None:
    sheet = MetricSheet()
    sheet.gauge("event_started", 3, {"event": 'the "big"\none \\ 10K'})
    _, line = sheet.text().splitlines()
    assert line == r'chip_bridge_event_started{event="the \"big\"\none \\ 10K"} 3'
    assert SAMPLE.match(line)
