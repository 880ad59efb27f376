"""TLS to readers and their brokers: verified, or pinned to one certificate by its fingerprint."""

import hashlib
import ssl
from typing import NoReturn

from bridge.errors import LinkError


def context_of(fingerprint: str | None) -> ssl.SSLContext:
    """Return a context that verifies as usual or, with a fingerprint, trusts only that one.

    Most readers sign their certificate themselves, under a name that is not their address.
    """
    context = ssl.create_default_context() if fingerprint is None else unverified()

    class Wary(ssl.SSLSocket):
        """A socket that looks at the certificate before anything is said, and closes in doubt."""

        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as inherited
            try:
                super().do_handshake(block)
                seen = fingerprint_of(self.getpeercert(binary_form=True))
                if fingerprint is not None and seen != plain(fingerprint):
                    raise ssl.SSLCertVerificationError(mismatch(seen))
            except OSError:
                self.close()  # the MQTT library forgets a socket whose handshake failed
                raise

    context.sslsocket_class = Wary
    return context


def unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate: whoever uses it compares the fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def check(ssl_object: ssl.SSLObject, fingerprint: str) -> None:
    """Compare what a connection has shown.

    Raises:
        LinkError: It is another certificate; the text has its fingerprint.
    """
    seen = fingerprint_of(ssl_object.getpeercert(binary_form=True))
    if seen != plain(fingerprint):
        raise LinkError(mismatch(seen))


def fingerprint_of(certificate: bytes | None) -> str:
    """Return the SHA-256 of a certificate (DER) in hex."""
    return hashlib.sha256(certificate or b"").hexdigest()


def plain(fingerprint: str) -> str:
    """Return a fingerprint as we compare it, however it was written."""
    return fingerprint.replace(":", "").lower()


def mismatch(seen: str) -> str:
    """Say that another certificate was shown than the one that is trusted."""
    return (
        f"the reader shows another certificate than tls_fingerprint says: {seen}; if it was "
        "replaced or set up anew, write that one, else somebody stands in between"
    )


def untrusted(why: ssl.SSLError, seen: str | None) -> NoReturn:
    """Raise what to tell of a certificate that nobody vouches for.

    Raises:
        LinkError: Always; with the fingerprint to be copied, where it could be seen.
    """
    reason = getattr(why, "verify_message", None) or why.reason or str(why)
    hint = f'; if it is your reader, write tls_fingerprint = "{seen}"' if seen else ""
    raise LinkError(f"its TLS certificate is not trusted ({reason}){hint}") from None
