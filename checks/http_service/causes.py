"""The causes of findings about one of Mistle's services, or about two of them together."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.finding import Layer, Status, causes_in, permanent, temporary

REDIRECTS = permanent(
    "http.redirects",
    Layer.AUTH,
    "the address only redirects: Mistle's services and browsers must call the address that it redirects to",
    "name in {url} the address of the service itself, which replies without a redirect",
    blames=("url",),
)
MOVED = "write the address that it redirects to into {url}"
BAD_GATEWAY = temporary(
    "http.bad-gateway",
    Layer.AUTH,
    "a proxy replies, but the service behind it does not",
    "start the service, or correct the upstream of the proxy that {url} leads to",
    blames=("url",),
)
IS_DASHBOARD = permanent(
    "http.is-dashboard",
    Layer.AUTH,
    "an HTML page is returned instead of the service's JSON: this is the dashboard, which returns it for every path",
    "name the service itself in {url}, or let the proxy in front send its paths to it and not to the dashboard",
    blames=("url",),
)
NOT_MISTLE = permanent(
    "http.not-mistle",
    Layer.AUTH,
    "the server that replies is not Mistle",
    "correct the host and port in {url}",
    blames=("url",),
)
WRONG_SERVICE = permanent(
    "http.wrong-service",
    Layer.AUTH,
    "another of Mistle's services replies",
    "correct the host and port in {url}: two URLs may be swapped",
    blames=("url",),
)
INTERNAL_BLOCKED = permanent(
    "http.internal-blocked",
    Layer.AUTH,
    "a proxy in front of the service refuses its internal paths",
    "name the service itself in {url}, not its public entrance, or let /internal/ through for Mistle's other services",
    blames=("url",),
)
SIGN_IN_UNREACHABLE = permanent(
    "http.sign-in-unreachable",
    Layer.ACCESS,
    "the paths with which the dashboard signs users in (/v1/) do not lead to the control-plane API",
    "let the proxy in front send /v1/ to the control-plane API, or correct {blamed}",
    blames=("url",),
)
OTHER_API = permanent(
    "http.other-api",
    Layer.ACCESS,
    "the dashboard calls another origin than the configuration names: the origin is a part of its build",
    "build or start the dashboard with the origin in {api_origin}, or correct that",
    blames=("api_origin",),
)
TOKEN_REJECTED = permanent(
    "http.token-rejected",
    Layer.AUTH,
    "the service refuses the shared token",
    "give the service the same token as in {token}, and restart it",
    blames=("token",),
)
REJECTED_BEHIND_PROXY = (
    "give the service the same token as in {token}, and restart it; if it has it, let the proxy that {url} leads to "
    "pass the header x-mistle-service-token on unchanged"
)
DOCUMENT_BLOCKED = permanent(
    "http.document-blocked",
    Layer.AUTH,
    "a proxy in front refuses /openapi.json, so which of Mistle's services replies is not proven",
    "let /openapi.json through at the proxy in front, or name the service itself in {url}",
    blames=("url",),
    status=Status.WARN,
    former=("http.wrong-service",),
)
TOKEN_NOT_CHECKED = permanent(
    "http.token-not-checked",
    Layer.AUTH,
    "the service accepts requests without the shared token",
    "close the service that {url} names to everyone until it checks the token; a proxy in front may be adding it",
    blames=("url",),
)
TOKEN_UNSENDABLE = permanent(
    "http.token-unsendable",
    Layer.AUTH,
    "the shared token holds characters that no HTTP header may hold",
    "choose a token of letters and digits in {token}, for example from `openssl rand -hex 32`",
    blames=("token",),
)
SLOW = temporary(
    "http.slow",
    Layer.AUTH,
    "the service replies, but later than Mistle's other services wait for it: they give up after 3 seconds",
    "look at the load and the log of the service that {url} leads to, at its database, and at the proxy in front, "
    "which may queue requests; each call between the services fails until it replies within 3 seconds",
    blames=("url",),
)
UNHEALTHY = temporary(
    "http.unhealthy",
    Layer.ACCESS,
    "the service reports that it is not healthy",
    "look at the log of the service that {url} leads to",
    blames=("url",),
)
VALKEY_UNREACHABLE = temporary(
    "gateway.valkey-unreachable",
    Layer.ACCESS,
    "the gateway is up, but cannot read its Valkey",
    "look at the gateway's log, and at the check of {valkey}: the gateway must reach that server from where it runs",
    blames=("valkey",),
)
CONTROL_PLANE_POSTGRES = temporary(
    "control-plane-api.postgres-unreachable",
    Layer.ACCESS,
    "the control plane's API is up, but cannot read its Postgres",
    "look at the API's log, and at the check of {database}: the API must reach that server from where it runs",
    blames=("database",),
)
DATA_PLANE_POSTGRES = temporary(
    "data-plane-api.postgres-unreachable",
    Layer.ACCESS,
    "the data plane's API is up, but cannot read its Postgres",
    "look at the API's log, and at the check of {database}: the API must reach that server from where it runs",
    blames=("database",),
)
DATA_PLANE_UNREACHABLE = temporary(
    "control-plane-api.data-plane-unreachable",
    Layer.ACCESS,
    "the control plane's API gets no sandbox's state from the data plane's API: it does not reach it, or has another "
    "token, or the data plane's API cannot read its Postgres",
    "correct what the check of {data_plane} finds; else give the control plane's API the same URL and token, "
    "and let it reach that URL from where it runs (its log names the reason)",
    blames=("data_plane",),
)
CORS_REFUSED = permanent(
    "http.cors-refused",
    Layer.ACCESS,
    "browsers will keep the API's replies from the dashboard",
    "add the origin of {dashboard} to {trusted_origins} and restart the API; "
    "a proxy in front must not drop the Access-Control headers or send them twice",
    blames=("trusted_origins",),
)
NOT_THE_DASHBOARD = permanent(
    "http.not-the-dashboard",
    Layer.ACCESS,
    "the URL returns the dashboard's page, but not for every path, or not its scripts: its links are broken",
    "correct {url}, or let the proxy in front send every path to the dashboard",
    blames=("url",),
    status=Status.WARN,
)
MIXED_RELEASES = permanent(
    "services.mixed-releases",
    Layer.FITNESS,
    "two of Mistle's services are of different releases",
    "deploy one release everywhere, or wait until the update that is under way is done ({blamed})",
    status=Status.WARN,
)
PUBLIC_DIFFERS = permanent(
    "services.public-differs",
    Layer.FITNESS,
    "the public and the internal URL lead to different releases of the API, so not to the same deployment",
    "let {blamed} lead to one deployment, or wait until the update that is under way is done",
)
UNEXPECTED_REPLY = unexpected.cause("http", "Mistle's service", ("url",))
CAUSES = causes_in(globals())
