"""``--tls auto``: a self-signed certificate in the data folder, made anew before it runs out."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from commensal.errors import SetupError
from commensal.server.settings import Settings

__all__ = ["certificate_paths", "check_certificate", "ensure_certificate"]

_DAYS = 397
_RENEW_DAYS = 30


def certificate_paths(settings: Settings) -> tuple[Path, Path]:
    """Return where the certificate and its key are."""
    folder = Path(settings.data)
    return folder / "tls.crt", folder / "tls.key"


def check_certificate(settings: Settings) -> None:
    """Raise SetupError when the two files of ``--tls CERT:KEY`` are no certificate and its key."""
    certificate, _, key = settings.tls.rpartition(":")
    for path in (certificate, key):
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise SetupError(f"--tls: {path} cannot be read: {error.strerror}.") from None
    try:
        # A server cannot ask for a passphrase each time a worker starts.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise SetupError(
            f"--tls: {certificate} and {key} are not a certificate and its key as PEM files without a passphrase "
            f"({reason})."
        ) from None


def _names(settings: Settings) -> list[str]:
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    if settings.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        names.append(settings.host)
    base = urlsplit(settings.base_url).hostname if settings.base_url else None
    names += [base] if base else []
    names += settings.allowed_hosts
    return list(dict.fromkeys(names))


def ensure_certificate(settings: Settings) -> None:
    """Make certificate and key unless a good one for these names is there."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certificate_path, key_path = certificate_paths(settings)
    names = _names(settings)
    if certificate_path.exists() and key_path.exists() and _still_good(certificate_path, names):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "commensal")])
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name.encode("idna").decode()))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        _write(key_path, pem, 0o600)
        _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise SetupError(f"--tls auto: {certificate_path.parent} cannot be written: {error.strerror}") from None


def _still_good(path: Path, names: list[str]) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, OSError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in found}
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left > dt.timedelta(days=_RENEW_DAYS) and known >= set(names)


def _write(path: Path, data: bytes, mode: int) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    part.replace(path)
