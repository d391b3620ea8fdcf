"""Certificates: valid ones from an authority of the tests, and every kind of invalid one."""

import ssl
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("localhost", "127.0.0.1")
MONTH = 30 * 86400.0


@dataclass(frozen=True)
class Leaf:
    """A server's certificate with its chain, and its key, as PEM."""

    chain: bytes
    key: bytes

    @classmethod
    def kept(cls, authority: "Authority", file: Path) -> "Leaf":
        """The certificate in this file, which is made if it is absent or of another authority."""
        if not file.exists() or not file.read_bytes().endswith(authority.pem):
            leaf = authority.leaf()
            file.write_bytes(b"\0".join((leaf.chain, leaf.key, authority.pem)))
        chain, key, _ = file.read_bytes().split(b"\0")
        return cls(chain, key)

    def files(self) -> dict[str, bytes]:
        return {"server.pem": self.chain, "server.key": self.key}

    def context(self, ciphers: str = "") -> ssl.SSLContext:
        """For a server in the test process."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        if ciphers:
            context.set_ciphers(ciphers)
        with trustme.Blob(self.key + self.chain).tempfile() as path:
            context.load_cert_chain(path)
        return context


class Authority:
    """A certificate authority; two of them do not trust each other."""

    def __init__(self, ca: trustme.CA | None = None) -> None:
        self._ca = ca or trustme.CA()

    @classmethod
    def kept(cls, file: Path) -> "Authority":
        """The authority whose certificate and key are in this file, which is made if it is absent or old."""
        if not file.exists() or time.time() - file.stat().st_mtime > MONTH:
            ca = trustme.CA()
            file.write_bytes(ca.private_key_pem.bytes() + ca.cert_pem.bytes())
        pem = file.read_bytes()
        return cls(trustme.CA.from_pem(cert_bytes=pem, private_key_bytes=pem))

    @cached_property
    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()

    def trusted(self) -> AbstractContextManager[str]:
        """The path of a file with the authority's certificate, for clients that must trust it."""
        return self._ca.cert_pem.tempfile()

    def leaf(self, *names: str, starts: float = -30.0, ends: float = 365.0, common_name: str | None = None) -> Leaf:
        """Valid from `starts` to `ends`, in days from now; without `names`, for localhost and 127.0.0.1.

        `common_name`: the user that it names, where a client shows it.
        """
        dates = {"not_before": _day(starts), "not_after": _day(ends)}
        cert = self._ca.issue_cert(*(names or NAMES), common_name=common_name, **dates)
        return Leaf(b"".join(blob.bytes() for blob in cert.cert_chain_pems), cert.private_key_pem.bytes())

    def expired(self, *names: str) -> Leaf:
        return self.leaf(*names, starts=-90, ends=-1)

    def not_yet_valid(self, *names: str) -> Leaf:
        return self.leaf(*names, starts=1)

    def soon_expiring(self, *names: str) -> Leaf:
        return self.leaf(*names, starts=-80, ends=5.5)


def self_signed(name: str = "localhost") -> Leaf:
    """A certificate that is its own issuer, as tools make by default."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(_day(-30)).not_valid_after(_day(365))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Leaf(builder.sign(key, hashes.SHA256()).public_bytes(pem), plain)


def _day(offset: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=offset)
