"""Checks of Web applications, each at one that it passes at."""

from checks.net.endpoint import Endpoint
from preflight.demo.servers.mistle import DASHBOARD_ORIGIN
from tests.harness.descriptor import WebCheck
from tests.harness.descriptors import WEB_CHECKS, WEB_SETTINGS
from tests.harness.provider_override import run_check_at
from tests.harness.run_check import CheckRun, run_check

__all__ = ["WEB_CHECKS", "WEB_SETTINGS", "run_web_check"]


def run_web_check(name: str, scheme: str, port: int, **options: object) -> CheckRun:
    """Run the check at ``http`` or ``https`` on this machine, with the settings of all kinds."""
    to: WebCheck = WEB_CHECKS[name]
    if not to.key:
        return run_check_at(Endpoint(scheme, "localhost", port, to.path or "/"), to.check, WEB_SETTINGS, **options)
    url = f"{scheme.replace('http', 'ws') if '_ws_' in to.check else scheme}://localhost:{port}{to.path}"
    pages = {"services.dashboard.public_url": DASHBOARD_ORIGIN} if to.check.endswith(".public") else {}
    return run_check(to.check, {**WEB_SETTINGS, **pages, to.key: url}, **options)  # type: ignore[arg-type]
