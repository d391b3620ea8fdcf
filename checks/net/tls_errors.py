"""What a TLS error means: the causes ``tls.*``, those of a URL with the wrong scheme, and the diagnosis of an error."""

from __future__ import annotations

import ssl

from checks.core.finding import Diagnosis, Layer, Status, causes_in, permanent, temporary
from checks.core.text import foreign
from checks.net.handshake import HandshakeFailed

PLAINTEXT_ON_TLS = permanent(
    "network.plaintext-on-tls",
    Layer.TLS,
    "TLS is configured, but the server on that port does not use it",
    "name the server's TLS port in {blamed}, or turn TLS on at the server",
)
WITHOUT_TLS = "use the scheme without TLS in {blamed}, name the server's TLS port, or turn TLS on at the server"
TLS_ON_PLAINTEXT = permanent(
    "network.tls-on-plaintext",
    Layer.TLS,
    "the server on that port uses TLS, but plaintext is configured",
    "use the scheme with TLS in {blamed}",
)
UNTRUSTED = permanent(
    "tls.untrusted",
    Layer.TLS,
    "the certificate's issuer is not one that Mistle's runtime trusts (Mozilla's roots and NODE_EXTRA_CA_CERTS)",
    "put the issuer's certificate into a file and name it in NODE_EXTRA_CA_CERTS for Mistle (here also --ca-file); "
    "the server must send its intermediate certificates",
)
SELF_SIGNED = permanent(
    "tls.self-signed",
    Layer.TLS,
    "the certificate is its own issuer",
    "use a certificate of a trusted authority, or name this one in NODE_EXTRA_CA_CERTS for Mistle (here: --ca-file)",
)
EXPIRED = permanent(
    "tls.expired",
    Layer.TLS,
    "the server's own certificate is no longer valid",
    "renew the certificate of {blamed}, and let the server load the new one",
)
ISSUER_EXPIRED = permanent(
    "tls.issuer-expired",
    Layer.TLS,
    "a certificate above the server's own, an intermediate or the root, is no longer valid; its own one still is",
    "replace the intermediate certificates at the server of {blamed} with the issuer's current ones; if the root in "
    "NODE_EXTRA_CA_CERTS has expired (here: --ca-file), put the authority's new one there",
    former=("tls.expired",),
)
NOT_YET_VALID = permanent(
    "tls.not-yet-valid",
    Layer.TLS,
    "the certificate is not valid yet",
    "correct the clock of this machine, or the certificate of {blamed}",
)
WRONG_HOST = permanent(
    "tls.wrong-host",
    Layer.TLS,
    "the certificate is for other names",
    "use in {blamed} a name that the certificate holds, or issue one for this name",
)
NAME_CONSTRAINT = permanent(
    "tls.name-constraint",
    Layer.TLS,
    "the authority may not issue certificates for this name: its own certificate limits the names (name constraints)",
    "have the certificate of {blamed} issued by an authority that may issue for this name, "
    "or use a name that the constraints permit",
    former=("tls.untrusted",),
)
TOO_WEAK = permanent(
    "tls.too-weak",
    Layer.TLS,
    "a key or a signature of the chain, or of the key exchange, is weaker than Mistle's runtime accepts: "
    "an RSA key under 2048 bits, an EC key under 224, a signature with SHA-1 or MD5",
    "issue the certificate of {blamed} again, with an RSA key of 2048 bits or more or an EC key, and SHA-256",
    former=("tls.untrusted", "tls.handshake-failed"),
)
WRONG_PURPOSE = permanent(
    "tls.wrong-purpose",
    Layer.TLS,
    "the certificate is not one for servers: its extended key usage does not hold serverAuth",
    "issue the certificate of {blamed} again, with the extended key usage serverAuth",
    former=("tls.untrusted",),
)
ISSUER_NOT_CA = permanent(
    "tls.issuer-not-ca",
    Layer.TLS,
    "the certificate's issuer may not issue any: it is a server's certificate, or an authority too far down the chain",
    "have the certificate of {blamed} issued by an authority (CA:TRUE, key usage keyCertSign), "
    "not with a server's certificate",
    former=("tls.untrusted",),
)
STALLED = temporary(
    "tls.stalled",
    Layer.TLS,
    "the server replies, but a TLS handshake with it does not end",
    "look at the log of the server, or of the TLS proxy, that {blamed} leads to; if it shows nothing, look for a "
    "device on the way that drops large packets (MTU) or stops handshakes (inspection)",
    former=("network.silent", "network.plaintext-on-tls"),
)
CLOCK_SUSPECT = permanent(
    "tls.clock-suspect",
    Layer.TLS,
    "every certificate that the run has seen is refused for its dates: this machine's clock is probably wrong",
    "compare this machine's clock with another one, and set it by NTP; containers have the clock of their host",
    blames=(),
    status=Status.WARN,
)
EXPIRES_SOON = permanent(
    "tls.expires-soon",
    Layer.TLS,
    "the certificate expires in less than 21 days and in less than a third of its lifetime: it was not renewed in time",
    "renew the certificate of {blamed}",
    status=Status.WARN,
)
OLD_PROTOCOL = permanent(
    "tls.old-protocol",
    Layer.TLS,
    "the server supports nothing newer than TLS 1.1, which Mistle's runtime refuses",
    "turn on TLS 1.2 or newer at the server of {blamed}",
)
CLIENT_CERTIFICATE = permanent(
    "tls.client-certificate-required",
    Layer.TLS,
    "the server asks for a client certificate, but Mistle sends none",
    "turn client certificates off at the server of {blamed} (for Valkey: tls-auth-clients no)",
)
TRAILING_DOT = permanent(
    "tls.trailing-dot",
    Layer.TLS,
    "the host ends in a dot, which Mistle's client also sends in the TLS handshake: the server refuses that name",
    "remove the dot at the end of the host in {blamed}",
)
NEEDS_SERVER_NAME = permanent(
    "tls.needs-server-name",
    Layer.TLS,
    "the server chooses its certificate by the server name (SNI), but Mistle's client of Valkey sends none",
    "give the server of {blamed} a default certificate for this host, or an address of its own",
)
HANDSHAKE_FAILED = permanent(
    "tls.handshake-failed",
    Layer.TLS,
    "TLS failed in the handshake or after it: the two sides do not agree (ciphers, key, name), or a record is invalid",
    "compare the server's TLS settings with a current default; the error names the part that differs ({blamed})",
)
CAUSES = causes_in(globals())

BY_REASON = {
    "WRONG_VERSION_NUMBER": PLAINTEXT_ON_TLS,
    "RECORD_LAYER_FAILURE": PLAINTEXT_ON_TLS,
    "PACKET_LENGTH_TOO_LONG": PLAINTEXT_ON_TLS,
    "HTTP_REQUEST": TLS_ON_PLAINTEXT,
    "UNSUPPORTED_PROTOCOL": OLD_PROTOCOL,
    "TLSV1_ALERT_PROTOCOL_VERSION": OLD_PROTOCOL,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": CLIENT_CERTIFICATE,
    **dict.fromkeys(("DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"), TOO_WEAK),
}


_HINTS = {  # for reasons of HANDSHAKE_FAILED that name what to change
    **dict.fromkeys(
        ("TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_UNRECOGNIZED_NAME"),
        "use in {blamed} a host name that the TLS server is configured for: it refuses this one",
    ),
    "TLSV1_ALERT_INTERNAL_ERROR": "look at the log of the TLS server of {blamed}; Caddy, Traefik and others send "
    "this alert if they have no certificate for the host name",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "let the TLS server of {blamed} accept HTTP/1.1 too (ALPN http/1.1)",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "bring the TLS server of {blamed} up to date: it lacks secure "
    "renegotiation (RFC 5746), without which Mistle's runtime refuses it",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "turn on a current cipher (ECDHE with AES-GCM) at the TLS server of {blamed}: "
    "it accepts none of those that Mistle's runtime offers",
}


class NotTls(Exception):
    """TLS is configured, and the server replies in its protocol without TLS: it is proven to be the right one."""


class NameRefused(Exception):
    """TLS works with the verified name, and not with the name that Mistle's client sends, or without one (None)."""

    def __init__(self, sent: str | None, observed: str) -> None:
        super().__init__(
            f"for the name {sent}, the server {observed}" if sent else f"without a name, the server {observed}"
        )
        self.cause = TRAILING_DOT if sent else NEEDS_SERVER_NAME


class TlsOnPlaintext(Exception):
    """Plaintext is configured, and the server uses TLS."""


class Stalled(Exception):
    """The server replies, and the handshake does not end."""


def diagnose(error: BaseException) -> Diagnosis | None:
    """The diagnosis of a TLS error, in the handshake or after it; None for any other error."""
    match error:
        case TlsOnPlaintext():
            return TLS_ON_PLAINTEXT.diagnosis(str(error))
        case NotTls():
            return PLAINTEXT_ON_TLS.diagnosis(str(error), hint=WITHOUT_TLS)
        case NameRefused():
            return error.cause.diagnosis(str(error))
        case Stalled():
            return STALLED.diagnosis(str(error))
        case HandshakeFailed(is_agreed=True, __cause__=ssl.SSLError(reason="SSLV3_ALERT_HANDSHAKE_FAILURE")):
            return CLIENT_CERTIFICATE.diagnosis("TLS failed: the server ended the handshake without our certificate")
        case ssl.SSLCertVerificationError():
            return UNTRUSTED.diagnosis(f"the server's certificate is refused: {foreign(error.verify_message)}")
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            reason = (error.reason or "no reason given").lower().replace("_", " ")
            cause = BY_REASON.get(error.reason, HANDSHAKE_FAILED)
            return cause.diagnosis(f"TLS failed: {foreign(reason)}", hint=_HINTS.get(error.reason))
    return None
