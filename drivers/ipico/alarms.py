"""Alarms of one session: said once, taken back once."""

from bridge.driver_api import Alarm, Event


class Alarms:
    """What is on, so that only changes are told.

    The first word about each is always told: an alarm of an earlier session may still stand.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str | None] = {}

    def raise_(self, name: str, text: str) -> list[Event]:
        """Turn an alarm on, or change its words."""
        if self._texts.get(name) == text:
            return []
        self._texts[name] = text
        return [Alarm(name, text)]

    def lower(self, name: str) -> list[Event]:
        """Turn an alarm off."""
        if name in self._texts and self._texts[name] is None:
            return []
        self._texts[name] = None
        return [Alarm(name, "", on=False)]
