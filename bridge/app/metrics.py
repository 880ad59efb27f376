"""The text format of Prometheus: every metric once, with its type, its samples together."""

from collections.abc import Mapping

PREFIX = "chip_bridge_"


class MetricSheet:
    """Collects samples by metric, in the order the metrics were first named."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._samples: dict[str, list[str]] = {}

    def gauge(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Add a value that goes up and down; a claim is 1 or 0."""
        self._add("gauge", name, value, labels or {})

    def counter(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Add a value that only grows while the service runs; `name` ends in ``_total``."""
        self._add("counter", name, value, labels or {})

    def text(self) -> str:
        """Return all of it (text format 0.0.4)."""
        lines: list[str] = []
        for name, kind in self._kinds.items():
            lines += [f"# TYPE {name} {kind}", *self._samples[name]]
        return "\n".join(lines) + "\n"

    def _add(self, kind: str, name: str, value: float, labels: Mapping[str, str]) -> None:
        full = PREFIX + name
        self._kinds.setdefault(full, kind)
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        number = int(value) if isinstance(value, bool) else value
        sample = f"{full}{{{shown}}} {number}" if shown else f"{full} {number}"
        self._samples.setdefault(full, []).append(sample)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
