"""Checks of Web applications, each at one that it passes at."""

from checks.net.http import Endpoint
from tests.harness.descriptor import Visit
from tests.harness.descriptors import VISIT_SETTINGS, VISITS
from tests.harness.provider_override import run_check_at
from tests.harness.run_check import CheckRun, run_check
from tests.servers.mistle import DASHBOARD_ORIGIN

__all__ = ["VISITS", "VISIT_SETTINGS", "visit"]


def visit(name: str, scheme: str, port: int, **options: object) -> CheckRun:
    """Run the check at ``http`` or ``https`` on this machine, with the settings of all kinds."""
    to: Visit = VISITS[name]
    if not to.key:
        return run_check_at(Endpoint(scheme, "localhost", port, to.path or "/"), to.check, VISIT_SETTINGS, **options)
    url = f"{scheme.replace('http', 'ws') if '_ws_' in to.check else scheme}://localhost:{port}{to.path}"
    pages = {"services.dashboard.public_url": DASHBOARD_ORIGIN} if to.check.endswith(".public") else {}
    return run_check(to.check, {**VISIT_SETTINGS, **pages, to.key: url}, **options)  # type: ignore[arg-type]
