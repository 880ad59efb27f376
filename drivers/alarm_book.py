"""Alarms of one session: said once, changed when their words change, taken back once."""

from bridge.driver_api import Alarm


class AlarmBook:
    """What is on, so that only changes are told.

    The first word about each is always told: an alarm of an earlier session may still stand.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def tell(self, name: str, text: str) -> list[Alarm]:
        """Say how it stands: `text` says what to do, and is empty where all is well."""
        if self._texts.get(name) == text:
            return []
        self._texts[name] = text
        return [Alarm(name, text, on=bool(text))]
