"""Certificates as readers make them: signed by themselves."""

import hashlib
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    file: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.file.read_text())).hexdigest()

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def made_by_itself(folder: Path, name: str = "DNS:reader") -> Certificate:
    made = Certificate(folder / "reader.pem", folder / "reader.key")
    what = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    where = (
        "-subj",
        "/CN=reader",
        "-addext",
        f"subjectAltName={name}",
        "-out",
        str(made.file),
        "-keyout",
        str(made.key),
    )
    subprocess.run([*what, *where], check=True, capture_output=True)
    made.key.chmod(0o644)
    return made
