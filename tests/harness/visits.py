"""Every check of something on the web, with an application that it passes at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp

from checks.net.http import Endpoint
from tests.harness.provider_override import run_check_at
from tests.harness.run_check import CheckRun, run_check
from tests.servers.archil import KEY as ARCHIL_KEY
from tests.servers.archil import archil
from tests.servers.e2b import KEY as E2B_KEY
from tests.servers.e2b import e2b
from tests.servers.google import CLIENT_ID, CLIENT_SECRET, google
from tests.servers.mistle import DASHBOARD_ORIGIN, TOKEN, Gateway, control_plane_api, dashboard, data_plane_api
from tests.servers.otlp import collector
from tests.servers.tunnel import Signature

_PAGES = "services.dashboard.public_url"
_CONNECT = Signature()
VALUES: Mapping[str, object] = {
    "telemetry.enabled": True,
    "internal_auth.shared_token.token": TOKEN,
    "sandbox.tokens.connect.secret": _CONNECT.secret,
    "sandbox.tokens.connect.issuer": _CONNECT.issuer,
    "sandbox.tokens.connect.audience": _CONNECT.audience,
    "sandbox.provider": "e2b",
    "sandbox.default_base_image": "ghcr.io/mistlehq/sandbox-base:latest",
    "sandbox.e2b.api_key": E2B_KEY,
    "sandbox.storage.backend": "archil",
    "sandbox.storage.archil.api_key": ARCHIL_KEY,
    "sandbox.storage.archil.region": "aws-us-east-1",
    "services.control_plane_api.auth.enabled_methods": ("otp", "google"),
    "services.control_plane_api.auth.google.client_id": CLIENT_ID,
    "services.control_plane_api.auth.google.client_secret": CLIENT_SECRET,
}


@dataclass(frozen=True)
class Visit:
    """The check of this name, at a URL of the configuration that ends in ``path``; without ``key``, at a provider.

    ``row`` is what SECURITY.md calls it.
    """

    row: str
    check: str
    app: Callable[[], ASGIApp]
    key: str = ""
    path: str = ""

    def climb(self, scheme: str, port: int, **options: object) -> CheckRun:
        """At ``http`` or ``https``, on this machine."""
        if not self.key:
            return run_check_at(Endpoint(scheme, "localhost", port, self.path or "/"), self.check, VALUES, **options)
        url = f"{scheme.replace('http', 'ws') if self.check.count('_ws_') else scheme}://localhost:{port}{self.path}"
        pages = {_PAGES: DASHBOARD_ORIGIN} if self.check.endswith(".public") else {}
        return run_check(self.check, {**VALUES, **pages, self.key: url}, **options)  # type: ignore[arg-type]


_INTERNAL, _PUBLIC = "`http_service`, internal", "`http_service`, public"
_API, _GATEWAY = "services.control_plane_api", "services.data_plane_gateway"
_TUNNEL = f"{_GATEWAY}.sandbox_ws_internal"


def _gateway() -> ASGIApp:
    return Gateway().application()


def _internal(service: str, app: Callable[[], ASGIApp]) -> Visit:
    return Visit(_INTERNAL, f"{service}.internal", app, f"{service}.internal_url")


VISITS: Mapping[str, Visit] = {
    "control-plane API, internal": _internal(_API, control_plane_api),
    "control-plane API, public": Visit(_PUBLIC, f"{_API}.public", control_plane_api, f"{_API}.public_url"),
    "data-plane API": _internal("services.data_plane_api", data_plane_api),
    "gateway": _internal(_GATEWAY, _gateway),
    "dashboard": Visit(_PUBLIC, "services.dashboard", dashboard, _PAGES),
    "tunnel": Visit("`tunnel`", _TUNNEL, _gateway, f"{_TUNNEL}_url", "/tunnel/sandbox"),
    **{
        signal: Visit("`otlp`", f"telemetry.{signal}", collector, f"telemetry.{signal}.endpoint", f"/v1/{signal}")
        for signal in ("traces", "logs", "metrics")
    },
    "E2B": Visit("`e2b`", "sandbox.e2b", e2b),
    "Archil": Visit("`archil`", "sandbox.storage.archil", archil),
    "Google": Visit("`google`", "services.control_plane_api.auth.google", google, path="/token"),
}
