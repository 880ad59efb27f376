"""The participants file of `[provider] kind = "file"` on disk."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError

LARGEST = 64 * 1024 * 1024
"""Bytes: no list of participants is larger."""


@dataclass(frozen=True, slots=True)
class ParticipantsFile:
    """`bridge.app.people_file.PeopleSource` of one path."""

    path: Path

    @property
    def name(self) -> str:
        """Its path as configured."""
        return str(self.path)

    def mark(self) -> Hashable:
        """Return size, place and time of the last change.

        Raises:
            BridgeError: It cannot be seen.
        """
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._wrong(error) from None
        return found.st_size, found.st_ino, found.st_mtime_ns

    def read(self) -> bytes:
        """Return the content.

        Raises:
            BridgeError: It cannot be read, or is too large to be a list of participants.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise self._wrong(error) from None
        if len(data) > LARGEST:
            raise BridgeError(f"{self.path} is larger than 64 MiB: no list of participants")
        return data

    def _wrong(self, error: OSError) -> BridgeError:
        return BridgeError(
            f"the participants file {self.path} cannot be read ({error.strerror}); put it there, "
            "or change provider.participants_file"
        )
