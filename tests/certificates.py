"""Certificates of our own: an authority, and servers that it or nobody vouches for."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Authority:
    """Vouches for servers; `file` holds what those who trust it need."""

    file: Path
    ca: trustme.CA

    @classmethod
    def at(cls, file: Path) -> Authority:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(file)
        return cls(file, ca)

    def server(self, *names: str, days: tuple[int, int] = (-1, 30)) -> ssl.SSLContext:
        """Return a server's context for some names; its certificate counts between two days from now."""
        begin, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
        context = serving()
        self.ca.issue_cert(*(names or ("localhost", "127.0.0.1")), not_before=begin, not_after=end).configure_cert(
            context
        )
        return context


def self_signed(file: Path, names: Iterable[str] = ("localhost",)) -> ssl.SSLContext:
    """Return the context of a server that only vouches for itself; `file` gets its certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alone")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, pkcs8, plain))
    context = serving()
    context.load_cert_chain(file)
    return context


def serving() -> ssl.SSLContext:
    """Return a server's context that would rather speak HTTP/2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
