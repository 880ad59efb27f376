"""A decoder made of software, sans-I/O: it stores and numbers passings whoever is listening."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.driver_api import MAIN, Chip, Out, Sighting
from drivers.race_result import records
from drivers.race_result.commands import Client, Commands
from drivers.race_result.decoder_model import ModelDecoder, setup_of

_ALL: Final = 2**63


class RaceResultEmulator:
    """One decoder with any number of clients; its options are those of `Setup`.

    Raises:
        ValueError: An option is unknown or of the wrong type.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: 3601}
        self.piece: tuple[int, int] | None = None
        self._setup = setup
        self._decoder = ModelDecoder(setup)
        self._commands = Commands(self._decoder)
        self._clients: dict[int, Client] = {}
        self._held_back: dict[int, list[bytes]] = {}
        """Pushes that wait for an answer to sit in."""

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing: the host speaks first."""
        self._clients[client] = self._commands.new_client()
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client, and nothing else."""
        self._clients.pop(client, None)
        self._held_back.pop(client, None)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer every complete command line."""
        state = self._clients.get(client)
        if state is None:
            return []
        answers: list[bytes] = []
        for line in state.lines.feed(data):
            pushes = self._held_back.pop(client, [])
            command = line.decode("latin-1").strip()
            reply = list(self._commands.answer(state, command, now_ns))
            if owed := self._owed(state):
                self._held_back.setdefault(client, []).extend(owed)
            middle = len(reply) // 2
            answers += [*reply[:middle], *pushes, *reply[middle:]]
        return [Out(b"".join(answers), client)] if answers else []

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Store the passing in the current file and push it to whoever wants that."""
        record = self._decoder.passed(sighting)
        skip = self._setup.skip_push_every
        if skip and int(record[0]) % skip == 0:
            return []
        outs = []
        for client, state in self._clients.items():
            if state.pushing:
                line = self._decoder.line(record, state.version, pushed=True)
                if self._setup.push_inside_reply:
                    self._held_back.setdefault(client, []).append(line)
                else:
                    outs.append(Out(line, client))
        return outs

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Store and push a trigger, whatever fired it."""
        return self.sighted(Sighting(chip=Chip(records.TRIGGER_CODE), stamp=stamp))

    def tick(self, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Let go of pushes that found no answer to sit in."""
        outs = []
        for client, held_back in self._held_back.items():
            outs.append(Out(b"".join(held_back), client))
        self._held_back.clear()
        return outs

    def _owed(self, state: Client) -> list[bytes]:
        """Return the pushes of passings stored before they were switched on, if wanted."""
        file = self._decoder.files[self._decoder.file]
        owed = file[state.pushed :] if state.pushing else []
        state.pushed = _ALL  # from here on each passing is pushed as it is seen
        return [self._decoder.line(record, state.version, pushed=True) for record in owed]
