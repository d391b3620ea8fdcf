"""What can be wrong with the way to the gateway's tunnel."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.check import Cause, Layer, causes_in

NOT_UPGRADED = Cause(
    "tunnel.not-upgraded",
    Layer.AUTH,
    "the request for a WebSocket arrives as a plain one: a proxy in front does not hand on the Upgrade header",
    "let the proxy that {url} leads to hand on WebSockets (nginx: proxy_http_version 1.1, "
    'proxy_set_header Upgrade $http_upgrade, proxy_set_header Connection "upgrade")',
    blames=("url",),
)
NOT_GATEWAY = Cause(
    "tunnel.not-gateway",
    Layer.AUTH,
    "something answers, and it is not the gateway's tunnel",
    "name the gateway in {url}, or let the proxy in front send this path to it",
    blames=("url",),
)
PATH_MISSING = Cause(
    "tunnel.path-missing",
    Layer.AUTH,
    "the gateway answers there, on another path: Mistle appends only the sandbox's id to the URL",
    "end {url} with /tunnel/sandbox",
    blames=("url",),
)
REDIRECTS = Cause(
    "tunnel.redirects",
    Layer.AUTH,
    "the address only redirects, which no WebSocket client follows",
    "write the address that it redirects to into {url}, with wss:// for https://",
    blames=("url",),
)
BAD_GATEWAY = Cause(
    "tunnel.bad-gateway",
    Layer.AUTH,
    "the gateway, or a proxy that cannot reach it, answers with an error of its own",
    "start the gateway and look at its log, or correct the upstream of the proxy that {url} leads to",
    blames=("url",),
)
OPEN_TO_ANYONE = Cause(
    "tunnel.open-to-anyone",
    Layer.AUTH,
    "a tunnel opens without a token",
    "close what {url} leads to: it must be Mistle's gateway and ask everyone for a token",
    blames=("url",),
)
TOKEN_REJECTED = Cause(
    "tunnel.token-rejected",
    Layer.AUTH,
    "the gateway refuses a connect token that these settings make",
    "give the gateway the same values as in {blamed} and restart it; issuer and audience must not be swapped, "
    "and the clocks of both machines must be right",
    blames=("secret", "issuer", "audience"),
)
UNEXPECTED_REPLY = unexpected.cause("tunnel", "the gateway", ("url",))
CAUSES = causes_in(globals())
