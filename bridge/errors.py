"""Every error the bridge raises, and who acts on it.

BridgeError
├── ConfigError       the operator must edit a file; exit 78, no restart
├── UsageError        the caller of a command or request must change it; exit 2
├── NotFound          what was asked for does not exist; exit 1
├── LinkError         a reader is unreachable; its supervisor retries
│   └── PeerError     it answers, but speaks another protocol; same, slower
├── ProviderError     the results service did not do what was asked
│   ├── TryLater      5xx, 429, no route, code 14: kept and tried again, with back-off
│   ├── LoginFailed   credentials refused: alarm, slow retry, never a login loop
│   └── Refused       the service will never accept this as it stands: isolate and alarm
└── JournalError      the disk failed; what is not durable stays in memory and is tried again

The text of an error is one plain sentence that says what is wrong and what to do. It never
contains a secret: URLs pass through `bridge.app.redact` before they reach a message.
"""


class BridgeError(Exception):
    """Base of all; catch it only to report it."""


class ConfigError(BridgeError):
    """The configuration cannot work, and no retry will change that."""


class UsageError(BridgeError):
    """A command or request was wrong; its text says what is allowed."""


class NotFound(BridgeError):  # noqa: N818
    """Nothing by that name or number; the text says what there is."""


class LinkError(BridgeError):
    """The connection to a reader could not be made or was lost."""


class PeerError(LinkError):
    """The reader answered, but not in the protocol of its driver."""


class ProviderError(BridgeError):
    """The results service did not do what was asked."""


class TryLater(ProviderError):  # noqa: N818
    """The service may accept this later.

    Attributes:
        after_s: Seconds the service asked us to wait, or None.
    """

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class LoginFailed(ProviderError):  # noqa: N818
    """The service refused our credentials; a person must look at them."""


class Refused(ProviderError):  # noqa: N818
    """The service will never accept this as it stands.

    Attributes:
        code: The service's own error code, or None.
        whole: No part of the payload is at fault, so sending less of it cannot help.
    """

    def __init__(self, message: str, *, code: int | None = None, whole: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.whole = whole


class JournalError(BridgeError):
    """The journal could not be read or written."""
