"""TLS to readers on real sockets: verified, pinned, refused with what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.adapters.tcp import TcpDialler
from bridge.errors import LinkError
from tests.support.certificates import Certificate, made_by_itself


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_by_itself(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_by_itself(tmp_path_factory.mktemp("other"))


@asynccontextmanager
async def reader(certificate: Certificate | None) -> AsyncIterator[int]:
    """A reader that says back what it is told."""

    async def echo(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
        while data := await read.read(100):
            write.write(data)
        write.close()

    context = certificate.server() if certificate else None
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await asyncio.sleep(0)


async def test_a_pinned_reader_is_spoken_to(certificate: Certificate) -> None:
    pin = ":".join(certificate.fingerprint.upper()[at : at + 2] for at in range(0, 64, 2))
    async with reader(certificate) as port:
        transport = await TcpDialler("127.0.0.1", port, tls=True, fingerprint=pin).connect()
        await transport.write(b"hello")
        assert await transport.read() == b"hello"
        transport.close()
        await asyncio.sleep(0)


async def test_a_certificate_nobody_vouches_for_is_refused_with_its_fingerprint(
    certificate: Certificate,
) -> None:
    async with reader(certificate) as port:
        with pytest.raises(LinkError) as told:
            await TcpDialler("127.0.0.1", port, tls=True).connect()
    assert "self-signed certificate" in str(told.value)
    assert f'write tls_fingerprint = "{certificate.fingerprint}"' in str(told.value)


async def test_another_certificate_than_the_pinned_one_is_refused(
    certificate: Certificate, other: Certificate
) -> None:
    async with reader(other) as port:
        with pytest.raises(LinkError, match=f"another certificate.*{other.fingerprint}"):
            await TcpDialler(
                "127.0.0.1", port, tls=True, fingerprint=certificate.fingerprint
            ).connect()


async def test_a_verified_reader_needs_no_fingerprint(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proper = made_by_itself(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(proper.file))
    async with reader(proper) as port:
        transport = await TcpDialler("127.0.0.1", port, tls=True).connect()
        await transport.write(b"hello")
        assert await transport.read() == b"hello"
        transport.close()
        await asyncio.sleep(0)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    async with reader(certificate) as port:
        with pytest.raises(LinkError, match="IP address mismatch"):  # known by another name
            await TcpDialler("127.0.0.1", port, tls=True).connect()


async def test_a_port_without_tls_says_so() -> None:
    async with reader(None) as port:
        with pytest.raises(LinkError, match="does not speak TLS"):
            await TcpDialler("127.0.0.1", port, tls=True, fingerprint="00" * 32).connect()
