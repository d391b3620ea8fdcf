"""Chains of certificates with a fault in one of them; the root is trusted."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.testbed.certificates import NAMES, Leaf

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, and the certificates above it that a server sends with it."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def leaf(self) -> Leaf:
        key = self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Leaf(b"".join(each.public_bytes(PEM) for each in (self.certificate, *self.above)), key)

    def trusted(self, folder: Path) -> Path:
        """A file with the certificate, for clients that must trust it."""
        file = folder / "root.pem"
        file.write_bytes(self.pem)
        return file


def authority(name: str, parent: Issued | None = None, **options: object) -> Issued:
    """An authority: a root, or an intermediate of `parent`."""
    return issue(name, parent, names=(), ca=True, **options)  # type: ignore[arg-type]


def issue(
    name: str,
    parent: Issued | None,
    *,
    names: tuple[str, ...] = NAMES,
    ca: bool = False,
    ends: float = 365.0,
    starts: float = -30.0,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    permitted: str = "",
    bits: int = 0,
) -> Issued:
    """A certificate valid from `starts` to `ends`, in days from now; with an RSA key if it has `bits`."""
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = parent.certificate.subject if parent else subject
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + timedelta(days=starts)).not_valid_after(now + timedelta(days=ends))
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general, names)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if permitted:
        builder = builder.add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
    certificate = builder.sign(parent.key if parent else key, hashes.SHA256())
    above = (parent.certificate, *parent.above) if parent and parent.certificate.issuer != issuer else ()
    return Issued(certificate, key, above)


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
