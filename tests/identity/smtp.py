"""A small SMTP server (RFC 5321) for tests: takes mail, offers STARTTLS and AUTH, and can be told to refuse."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Received:
    recipients: list[str]
    message: EmailMessage
    secure: bool
    user: str


@dataclass
class SmtpTestServer:
    """What arrived, and how to behave."""

    port: int = 0
    refuse: int = 0
    starttls: ssl.SSLContext | None = None
    account: tuple[str, str] | None = None
    inbox: list[Received] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        secure = writer.get_extra_info("sslcontext") is not None
        user, recipients = "", []

        async def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        try:
            await say("220 test ESMTP")
            while line := await reader.readline():
                text = line.decode().strip()
                verb = text.split(" ")[0].upper()
                if verb in ("EHLO", "HELO"):
                    offers = ["test"]
                    if self.starttls is not None and not secure:
                        offers.append("STARTTLS")
                    if self.account is not None:
                        offers.append("AUTH PLAIN")
                    for offer in offers[:-1]:
                        await say(f"250-{offer}")
                    await say(f"250 {offers[-1]}")
                elif verb == "STARTTLS" and self.starttls is not None:
                    await say("220 go on")
                    await writer.start_tls(self.starttls)
                    secure = True
                elif verb == "AUTH":
                    _, name, password = base64.b64decode(text.split(" ")[2]).decode().split("\0")
                    if (name, password) == self.account:
                        user = name
                        await say("235 welcome")
                    else:
                        await say("535 no")
                elif verb == "MAIL" and self.refuse > 0:
                    self.refuse -= 1
                    await say("451 not now")
                elif verb == "RCPT":
                    recipients.append(text.partition("<")[2].partition(">")[0])
                    await say("250 ok")
                elif verb == "DATA":
                    await say("354 go on")
                    body = bytearray()
                    while (part := await reader.readline()) != b".\r\n":
                        body += part[1:] if part.startswith(b"..") else part
                    message = message_from_bytes(bytes(body), policy=default)
                    self.inbox.append(Received(recipients, message, secure, user))
                    recipients = []
                    await say("250 taken")
                elif verb == "QUIT":
                    await say("221 bye")
                    break
                else:
                    await say("250 ok")
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def smtp_server(*, tls: ssl.SSLContext | None = None, **how: object) -> AsyncIterator[SmtpTestServer]:
    """Run a server on a free port of the loopback address; with ``tls``, in TLS from the start."""
    state = SmtpTestServer(**how)  # type: ignore[arg-type]
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()


def certificates(folder: object) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context with a new certificate for 127.0.0.1, and a client's that trusts it alone."""
    from pathlib import Path

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = Path(str(folder)) / "server.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())
