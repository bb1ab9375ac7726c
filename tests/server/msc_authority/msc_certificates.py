"""Certificates made for a test: an authority for them, servers and clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BEGIN, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes both, and returns where."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        certificate.write_bytes(self.certificate)
        key.write_bytes(self.key)
        return certificate, key


class Issuer:
    """Issues certificates."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _named(name)
        builder = _builder(self._name, self._name, self._key)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = builder.add_extension(constraint, critical=True).sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self) -> Pair:
        """A certificate for this machine."""
        return self._issue("localhost", [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])

    def client(self, name: str, *more: str, end: datetime = END) -> Pair:
        """A certificate for a client of that common name, with further DNS names."""
        return self._issue(name, [x509.DNSName(each) for each in more], end)

    def expired(self) -> Pair:
        """A certificate for this machine that held until 2001."""
        return self._issue("localhost", [x509.DNSName("localhost")], end=BEGIN + timedelta(days=365))

    def _issue(self, name: str, names: Sequence[x509.GeneralName], end: datetime = END) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key, end)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(
            certificate=certificate.public_bytes(serialization.Encoding.PEM),
            key=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )


@dataclass
class ServerFiles:
    """The files of a server that speaks TLS, as settings name them."""

    folder: Path
    issuer: Issuer = field(default_factory=Issuer)
    mutual: bool = False

    def __post_init__(self) -> None:
        self.certificate, self.key = self.issuer.server().write(self.folder, "server")
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(self.issuer.pem)

    @property
    def configured(self) -> dict[str, object]:
        """The settings."""
        found: dict[str, object] = {"tls_certificate": self.certificate, "tls_key": self.key}
        return {**found, "tls_client_ca": self.ca} if self.mutual else found

    def renew(self, issuer: Issuer) -> None:
        """Replaces certificate and key by those of another issuer."""
        issuer.server().write(self.folder, "server")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime = END
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(end)
    )
