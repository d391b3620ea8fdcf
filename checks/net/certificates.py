"""Why a server's certificate is refused: OpenSSL's code, and the chain as the server sent it."""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checks.core.finding import ISSUER, Cause, Diagnosis
from checks.core.text import foreign
from checks.net import tls_errors
from checks.net.handshake import HandshakeFailed

if TYPE_CHECKING:
    from cryptography import x509

_MAX_SHOWN = 6  # names of a certificate, or certificates of a chain
_MAX_CHAIN = 12  # certificates that are read

# X509_V_ERR_* of OpenSSL's x509_vfy.h; every other code means a chain without a trusted root.
_BY_VERIFY_CODE = {
    **dict.fromkeys((9, 13), tls_errors.NOT_YET_VALID),
    **dict.fromkeys((10, 14), tls_errors.EXPIRED),
    18: tls_errors.SELF_SIGNED,
    **dict.fromkeys((24, 25, 32, 37, 41, 79), tls_errors.ISSUER_NOT_CA),
    26: tls_errors.WRONG_PURPOSE,
    **dict.fromkeys(range(47, 54), tls_errors.NAME_CONSTRAINT),
    **dict.fromkeys((62, 64), tls_errors.WRONG_HOST),
    **dict.fromkeys((66, 67, 68), tls_errors.TOO_WEAK),
}


@dataclass(frozen=True)
class Certificate:
    """What a report shows of a certificate. ``may_issue``: it is that of an authority."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    starts: datetime
    ends: datetime
    may_issue: bool
    strength: str  # of its key and signature

    @property
    def shown(self) -> str:
        """Subject and issuer in one line."""
        return foreign(f"{self.subject or 'no subject'} (issued by {self.issuer or 'no issuer'})", 160)


def diagnose(error: BaseException) -> Diagnosis | None:
    """The diagnosis of a certificate that was refused in a handshake; None for any other error."""
    match error:
        case HandshakeFailed(__cause__=ssl.SSLCertVerificationError() as refusal):
            chain = tuple(filter(None, map(_read, error.chain[:_MAX_CHAIN])))
            cause = _cause(refusal.verify_code, chain)
            text = _TEXTS.get(cause, _chain_text)(error.host, chain) if chain else ""
            reason = f"the server's certificate is refused: {foreign(refusal.verify_message)}"
            return cause.diagnosis(f"{reason}; {text}" if text else reason)
    return None


def issuer_of(error: HandshakeFailed) -> dict[str, object]:
    """As a fact of a check: who issued the last certificate that was sent, as far as it can be read."""
    chain = tuple(filter(None, map(_read, error.chain[:_MAX_CHAIN])))
    return {ISSUER: chain[-1].issuer} if chain and chain[-1].issuer else {}


def _cause(code: int, chain: tuple[Certificate, ...]) -> Cause:
    cause, now = _BY_VERIFY_CODE.get(code, tls_errors.UNTRUSTED), datetime.now(UTC)
    if cause is tls_errors.EXPIRED and chain and chain[0].ends >= now:
        return tls_errors.ISSUER_EXPIRED
    if cause in {tls_errors.UNTRUSTED, tls_errors.WRONG_PURPOSE} and _false_issuer(chain):
        return tls_errors.ISSUER_NOT_CA
    return cause


def _false_issuer(chain: tuple[Certificate, ...]) -> Certificate | None:
    """The sent certificate that another one names as its issuer, and that may not issue any."""
    issuers = {each.issuer for each in chain if each.issuer != each.subject}
    return next((each for each in chain if each.subject in issuers and not each.may_issue), None)


def _chain_text(_host: str, chain: tuple[Certificate, ...]) -> str:
    sent = ", then ".join(each.shown for each in chain[:_MAX_SHOWN])
    return f"the server sends {sent}"


def _untrusted(host: str, chain: tuple[Certificate, ...]) -> str:
    issuer = foreign(chain[-1].issuer or "no issuer", 120)
    return f"no trusted certificate is that of {issuer}; {_chain_text(host, chain)}"


def _names(_host: str, chain: tuple[Certificate, ...]) -> str:
    names = chain[0].names
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return f"it holds {foreign(', '.join(names[:_MAX_SHOWN]) + more)}" if names else "it holds no name of a server"


def _dates(_host: str, chain: tuple[Certificate, ...]) -> str:
    """The first certificate that is not valid now, and this machine's time."""
    now = datetime.now(UTC)
    clock = f"this machine's clock shows {_day(now)}"
    wrong = next((each for each in chain if not each.starts <= now <= each.ends), None)
    if wrong is None:
        issuer = foreign(chain[-1].issuer, 120)
        return f"the invalid one is the trusted certificate of {issuer}, not one that the server sends; {clock}"
    when = f"ended {_day(wrong.ends)}" if wrong.ends < now else f"begins {_day(wrong.starts)}"
    return f"that of {foreign(wrong.subject or 'no subject', 120)} {when}; {clock}"


def _not_an_issuer(host: str, chain: tuple[Certificate, ...]) -> str:
    issuer = _false_issuer(chain)
    text = f"{foreign(issuer.subject, 120)} issued one and is no authority; " if issuer else ""
    return text + _chain_text(host, chain)


def _strength(_host: str, chain: tuple[Certificate, ...]) -> str:
    parts = (f"{each.subject or 'no subject'} has {each.strength}" for each in chain[:_MAX_SHOWN])
    return foreign(", ".join(parts), 400)


_TEXTS = {
    tls_errors.EXPIRED: _dates,
    tls_errors.ISSUER_EXPIRED: _dates,
    tls_errors.NOT_YET_VALID: _dates,
    tls_errors.WRONG_HOST: _names,
    tls_errors.UNTRUSTED: _untrusted,
    tls_errors.ISSUER_NOT_CA: _not_an_issuer,
    tls_errors.TOO_WEAK: _strength,
}


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")


def _read(der: bytes) -> Certificate | None:
    """None for one that cannot be parsed: any server may send it."""
    from cryptography import x509

    with warnings.catch_warnings(action="ignore"):  # about odd but legal forms
        try:
            read = x509.load_der_x509_certificate(der)
            return Certificate(
                subject=read.subject.rfc4514_string(),
                issuer=read.issuer.rfc4514_string(),
                names=_names_in(read),
                starts=read.not_valid_before_utc,
                ends=read.not_valid_after_utc,
                may_issue=_may_issue(read),
                strength=_strength_of(read),
            )
        except Exception:
            return None


def _names_in(read: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(str(each.value) for each in read.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME))
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def _may_issue(read: x509.Certificate) -> bool:
    """Whether it is an authority's, and its key may sign certificates."""
    from cryptography import x509

    try:
        if not read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return read.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:  # without a key usage, an authority may do anything
        return missing.oid == x509.KeyUsage.oid


def _strength_of(read: x509.Certificate) -> str:
    size = getattr(read.public_key(), "key_size", 0)
    key = f"a key of {size} bits" if size else "a key"
    hashed = read.signature_hash_algorithm
    return f"{key}, signed with {hashed.name.upper()}" if hashed else key
