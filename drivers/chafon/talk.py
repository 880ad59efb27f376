"""Which kind of Chafon reader is there, and who does the talking."""

from bridge.driver_api import Event, Send
from drivers.chafon import older_talk, prime_talk, wire
from drivers.chafon.older import OlderDecoder
from drivers.chafon.older_talk import OlderTalk
from drivers.chafon.options import Options
from drivers.chafon.prime_talk import PrimeTalk


class ChafonTalk:
    """The host's half of the conversation; the first whole frame settles which kind it is with."""

    def __init__(self, options: Options, decoder: OlderDecoder) -> None:
        self._older = OlderTalk(options, decoder)
        self._prime = PrimeTalk()
        self._talk: OlderTalk | PrimeTalk | None = None
        if options.dialect != "auto":
            self._talk = self._prime if options.dialect == "prime" else self._older
        self._asks_prime = False

    def begin(self, now_ns: int) -> list[Event]:
        """Start with the kind that was told; else listen first."""
        return self._talk.begin(now_ns) if self._talk is not None else []

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame; those of the other kind are no concern of the one that is there."""
        is_prime = wire.is_prime(frame)
        if self._talk is None:
            self._talk = self._prime if is_prime else self._older
        if is_prime:
            return self._prime.heard(frame) if self._talk is self._prime else []
        return self._older.heard(frame) if self._talk is self._older else []

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Ask for the one kind and for the other until one answers."""
        if self._talk is not None:
            return self._talk.tick(now_ns, silent_ns)
        self._asks_prime, asks_prime = not self._asks_prime, self._asks_prime
        return [Send(prime_talk.QUESTION if asks_prime else older_talk.QUESTION)]
