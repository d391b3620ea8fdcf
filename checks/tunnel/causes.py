"""The causes of findings about the gateway's tunnel."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.finding import Layer, causes_in, permanent, temporary

NOT_UPGRADED = permanent(
    "tunnel.not-upgraded",
    Layer.AUTH,
    "the request for a WebSocket arrives as a plain one: a proxy in front does not forward the Upgrade header",
    "let the proxy that {url} leads to forward WebSockets (nginx: proxy_http_version 1.1, "
    'proxy_set_header Upgrade $http_upgrade, proxy_set_header Connection "upgrade")',
    blames=("url",),
)
NOT_GATEWAY = permanent(
    "tunnel.not-gateway",
    Layer.AUTH,
    "the server that replies is not the gateway's tunnel",
    "name the gateway in {url}, or let the proxy in front send this path to it",
    blames=("url",),
)
PATH_MISSING = permanent(
    "tunnel.path-missing",
    Layer.AUTH,
    "the gateway replies at that address, on another path: Mistle appends only the sandbox's id to the URL",
    "end {url} with /tunnel/sandbox",
    blames=("url",),
)
REDIRECTS = permanent(
    "tunnel.redirects",
    Layer.AUTH,
    "the address only redirects, which no WebSocket client follows",
    "name in {url} the address of the gateway itself, which replies without a redirect",
    blames=("url",),
)
MOVED = "write the address that it redirects to into {url}, with wss:// for https://"
BAD_GATEWAY = temporary(
    "tunnel.bad-gateway",
    Layer.AUTH,
    "the gateway, or a proxy that cannot reach it, replies with an error of its own",
    "start the gateway and look at its log, or correct the upstream of the proxy that {url} leads to",
    blames=("url",),
)
OPEN_TO_ANYONE = permanent(
    "tunnel.open-to-anyone",
    Layer.AUTH,
    "a tunnel opens without a token",
    "close what {url} leads to: it must be Mistle's gateway and require a token",
    blames=("url",),
)
TOKEN_REJECTED = permanent(
    "tunnel.token-rejected",
    Layer.AUTH,
    "the gateway refuses a connect token made with these settings",
    "give the gateway the same values as in {blamed} and restart it; issuer and audience must not be swapped, "
    "and the clocks of both machines must be right",
    blames=("secret", "issuer", "audience"),
)
BOOTSTRAP_REJECTED = permanent(
    "tunnel.bootstrap-rejected",
    Layer.AUTH,
    "the gateway refuses a bootstrap token made with these settings: no new sandbox can connect",
    "give the gateway and the data-plane worker the same values as in {blamed} and restart them; "
    "issuer and audience must not be swapped, and the clocks of all machines must be right",
    blames=("bootstrap_secret", "bootstrap_issuer", "bootstrap_audience"),
)
BOOTSTRAP_NOT_CHECKED = permanent(
    "tunnel.bootstrap-not-checked",
    Layer.AUTH,
    "the gateway accepts a bootstrap token with a wrong signature",
    "close what {url} leads to: it must be Mistle's gateway and verify the token",
    blames=("url",),
)
POSTGRES_UNREACHABLE = temporary(
    "gateway.postgres-unreachable",
    Layer.ACCESS,
    "the gateway is up, but cannot read its Postgres",
    "look at the gateway's log, and at the check of {database}: the gateway must reach that server from where it runs",
    blames=("database",),
)
REJECTED_BEHIND_PROXY = (
    "let the proxy that {url} leads to pass the query on unchanged (nginx: no $uri in proxy_pass); if it does, give "
    "the gateway the same values as in {secret}, {issuer} and {audience} and restart it; issuer and audience must not "
    "be swapped, and the clocks of both machines must be right"
)
QUERY_DROPPED = permanent(
    "tunnel.query-dropped",
    Layer.AUTH,
    "the proxy in front drops the query of the URL, and the connect token with it: the same token is accepted at the "
    "gateway's other URL",
    "let the proxy that {url} leads to pass the query on unchanged (nginx: no $uri in proxy_pass)",
    blames=("url",),
    former=("tunnel.token-rejected",),
)
UNEXPECTED_REPLY = unexpected.cause("tunnel", "the gateway", ("url",))
CAUSES = causes_in(globals())
