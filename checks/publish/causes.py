"""The causes of findings about published sandboxes."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.check import Cause, Layer, Status, causes_in

NO_WILDCARD = Cause(
    "publish.no-wildcard",
    Layer.DNS,
    "a name below the domain does not resolve: published sandboxes cannot be reached",
    "add a wildcard record *.<domain> that leads to the gateway's ingress, or correct {domain}",
    heals=True,
)
NO_CERTIFICATE = Cause(
    "publish.no-certificate",
    Layer.TLS,
    "the ingress has no certificate that covers the names below the domain",
    "give the ingress of {domain} a certificate for *.<domain>",
    status=Status.WARN,
    heals=False,
)
ACCESS_TOKEN_REJECTED = Cause(
    "publish.access-token-rejected",
    Layer.AUTH,
    "the gateway refuses an access token made with these settings: no link to a published sandbox works",
    "give the gateway and the control plane's API the same values as in {blamed} and restart them; "
    "issuer and audience must not be swapped, and the clocks of all machines must be right",
    blames=("secret", "issuer", "audience"),
    heals=False,
)
COOKIE_REJECTED = Cause(
    "publish.cookie-rejected",
    Layer.AUTH,
    "the gateway refuses a session's cookie that is signed with this secret",
    "give every process of the gateway the secret in {cookie_secret}, and restart it",
    blames=("cookie_secret",),
    heals=False,
)
DOMAIN_DIFFERS = Cause(
    "publish.domain-differs",
    Layer.ACCESS,
    "the gateway publishes sandboxes below another domain: it refuses every link below this one",
    "give the gateway and the control plane's API the same domain as in {domain}, and restart them",
    blames=("domain",),
    heals=False,
)
UNEXPECTED_REPLY = unexpected.cause("publish", "the gateway", ("gateway",))
CAUSES = causes_in(globals())
