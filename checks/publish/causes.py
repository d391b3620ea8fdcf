"""The causes of findings about published sandboxes."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.finding import Diagnosis, Layer, Status, causes_in, permanent, temporary
from checks.net import tls_errors

NO_WILDCARD = temporary(
    "publish.no-wildcard",
    Layer.DNS,
    "a name below the domain does not resolve: published sandboxes cannot be reached",
    "add a wildcard record *.<domain> that leads to the gateway's ingress, or correct {domain}",
)
NO_CERTIFICATE = permanent(
    "publish.no-certificate",
    Layer.TLS,
    "the ingress has no valid certificate for the names below the domain",
    "give the ingress of {domain} a certificate for *.<domain>",
    status=Status.WARN,
)
ACCESS_TOKEN_REJECTED = permanent(
    "publish.access-token-rejected",
    Layer.AUTH,
    "the gateway refuses an access token made with these settings: no link to a published sandbox works",
    "give the gateway and the control plane's API the same values as in {blamed} and restart them; "
    "issuer and audience must not be swapped, and the clocks of all machines must be right",
    blames=("secret", "issuer", "audience"),
)
COOKIE_REJECTED = permanent(
    "publish.cookie-rejected",
    Layer.AUTH,
    "the gateway refuses a session's cookie that is signed with this secret",
    "give every process of the gateway the secret in {cookie_secret}, and restart it",
    blames=("cookie_secret",),
)
DOMAIN_DIFFERS = permanent(
    "publish.domain-differs",
    Layer.ACCESS,
    "the gateway publishes sandboxes below another domain: it refuses every link below this one",
    "give the gateway and the control plane's API the same domain as in {domain}, and restart them",
    blames=("domain",),
)
UNEXPECTED_REPLY = unexpected.cause("publish", "the gateway", ("gateway",))
CAUSES = causes_in(globals())

_BROWSERS = (
    "give the ingress of {domain} a certificate of a public authority: the browsers of your users must trust it "
    "(this command trusts a private one with --ca-file)"
)
_HINTS = {
    **dict.fromkeys((tls_errors.UNTRUSTED, tls_errors.SELF_SIGNED), _BROWSERS),
    **{
        cause: cause.hint
        for cause in (
            *(tls_errors.EXPIRED, tls_errors.ISSUER_EXPIRED, tls_errors.NOT_YET_VALID, tls_errors.NAME_CONSTRAINT),
            *(tls_errors.TOO_WEAK, tls_errors.WRONG_PURPOSE, tls_errors.ISSUER_NOT_CA),
            *(tls_errors.OLD_PROTOCOL, tls_errors.CLIENT_CERTIFICATE),
        )
    },
}


def certificate(port: int, diagnosis: Diagnosis) -> Diagnosis:
    """The finding for an ingress whose TLS failed; the hint is that of the reason, if the names are not the reason."""
    message = f"at port {port}: {diagnosis.message}"
    return NO_CERTIFICATE.diagnosis(message, hint=_HINTS.get(diagnosis.cause))
