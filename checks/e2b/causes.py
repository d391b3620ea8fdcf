"""The causes of findings about E2B."""

from __future__ import annotations

from checks.core.finding import Cause, Layer, Status, causes_in, permanent, temporary

KEY_REJECTED = permanent(
    "e2b.key-rejected",
    Layer.AUTH,
    "E2B does not know the API key",
    "correct {api_key}: a key of the right team, from the API Keys page of the E2B dashboard, beginning with e2b_",
    blames=("api_key",),
)
TEAM_BLOCKED = permanent(
    "e2b.team-blocked",
    Layer.AUTH,
    "E2B knows the API key, and refuses every request of its team",
    "settle it with E2B (the server's message, billing, support@e2b.dev), or use another team's key in {api_key}",
    blames=("api_key",),
)
RATE_LIMITED = temporary(
    "e2b.rate-limited",
    Layer.AUTH,
    "E2B replies that there are too many requests, so nothing is proven",
    "run this again later; if it stays, find what else uses {api_key}, or ask E2B for a higher limit",
    blames=("api_key",),
    status=Status.WARN,
)
UNEXPECTED_REPLY = permanent(
    "e2b.unexpected-reply",
    Layer.AUTH,
    "what answers is not E2B's API, or E2B has an outage",
    "check that api.<{domain}> is E2B's API and that no proxy answers in its place; "
    "otherwise look for an outage at status.e2b.dev, and run this again",
    blames=("domain",),
)
TEMPLATE_FOREIGN = Cause(
    "e2b.template-foreign",
    Layer.ACCESS,
    "the template that Mistle would use exists, and belongs to another team",
    blames=(),
    status=Status.OK,
)
TEMPLATE_NOT_BUILT = Cause(
    "e2b.template-not-built",
    Layer.ACCESS,
    "the template of this image, CPU count and memory does not exist yet: the first sandbox start builds it",
    blames=(),
    status=Status.OK,
)
IMAGE_NOT_PUBLIC = permanent(
    "e2b.image-not-public",
    Layer.ACCESS,
    "the template is not built yet, and E2B's cloud cannot pull the image that it is built from",
    "push the image to a registry on the internet and name it so in {image}",
    blames=("image",),
)
GATEWAY_NOT_PUBLIC = permanent(
    "e2b.gateway-not-public",
    Layer.FITNESS,
    "the address that sandboxes dial leads, as seen from here, to private addresses only; sandboxes run in E2B's cloud",
    "name in {gateway} an address that the internet can reach, "
    "or make sure that public name servers give another address for it than those here do",
    blames=("gateway",),
    status=Status.WARN,
)
CAUSES = causes_in(globals())
