"""Debian's Prometheus reads the metrics of `serve`, with the rules of docs/serve.md, and their alerts fire."""

import re
from pathlib import Path

import yaml

from tests.harness import profiles
from tests.harness.serving import SECRET, gateway, on, own_valkey, served
from tests.harness.waiting import until
from tests.testbed.prometheus import prometheus_server

PAGE = (Path(__file__).parents[2] / "docs/serve.md").read_text()


def block(name: str) -> dict[str, object]:
    """The YAML after the mark of this name."""
    match = re.search(rf"<!-- {name} -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert match
    return dict(yaml.safe_load(match[1]))


@profiles.long
def test_alert_fires(tmp_path: Path) -> None:
    """Over an address that is not loopback, with a token; the pauses of the rules are left out."""
    token = tmp_path / "token"
    token.write_text(SECRET)
    host = gateway()
    with own_valkey() as valkey:
        flags = (*on(tmp_path, valkey.url), "--listen", f"{host}:0", "--token-file", str(token))
        with served(*flags) as server:
            server.lines_until("exit code 0")
            rules = yaml.safe_dump(block("rules")).replace("for: 5m", "for: 0s")
            scrape = yaml.safe_dump(block("scrape"))
            scrape = scrape.replace("10.0.0.5:9470", f"{host}:{server.port}").replace("30s", "1s")
            scrape = scrape.replace("/etc/prometheus/preflight-token", "/files/token")
            top = "global: {evaluation_interval: 1s}\nrule_files: [/files/rules.yml]\n"
            files = {"prometheus.yml": (top + scrape).encode(), "rules.yml": rules.encode(), "token": SECRET.encode()}
            with prometheus_server(files) as prometheus:
                assert until(lambda: prometheus.value("mistle_preflight_ready")) == 1
                assert prometheus.value("mistle_preflight_serve_last_run_exit_code") == 0
                assert prometheus.alerts("firing") == set()
                valkey.stop()
                server.run_now()
                wanted = {"MistleNotReady", "MistleResourceFails"}
                until(lambda: prometheus.alerts("firing") == wanted)
                valkey.start()
                server.run_now()
                until(lambda: prometheus.alerts("firing") == set())
                server.command.process.kill()
                until(lambda: "MistlePreflightIsDown" in prometheus.alerts("firing"))
