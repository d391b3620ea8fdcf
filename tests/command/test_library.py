"""The library: typed, without output, and with the same results as the command."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import preflight
from checks.core.finding import Layer, Status
from preflight import ConfigError, KeyVerdict, Report, Result, UsageError, check, render
from tests.harness import configs, faults
from tests.testbed import PgBouncer, Postgres, Valkey

PAGE = Path(__file__).parents[2] / "docs/library.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
URL = "kv.data_plane.url"
ENDED = {"PATH": os.environ["PATH"]}


@pytest.fixture
def ready(tmp_path: Path, valkey: Valkey) -> Path:
    return configs.write(tmp_path, {URL: valkey.url()})


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    with faults.refused_port() as port:
        return configs.write(tmp_path, {URL: f"redis://127.0.0.1:{port}"})


def test_ready_deployment(ready: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = check(ready, only=["kv.*"], environ={})
    assert (report.ready, report.exit_code, report.signal) == (True, 0, None)
    assert {type(report), *map(type, report.results), *map(type, report.keys)} == {Report, Result, KeyVerdict}
    assert {verdict.key: verdict.evidence for verdict in report.keys}[URL] == "probed"
    assert report.results[-1].facts["version"]
    assert "data_plane_gateway" in report.results[-1].services
    assert capfd.readouterr() == ("", "")


def test_failure_is_in_the_report(refused: Path) -> None:
    report = check(refused, only="kv.data_plane", environ={})  # one pattern needs no list
    (finding,) = (finding for finding in report.findings if finding.status is Status.FAIL)
    assert (finding.id, finding.layer, finding.fields) == ("network.refused", Layer.CONNECT, (URL,))
    assert configs.line_of(refused, URL) in finding.hint
    assert report.exit_code == 1
    assert check(refused, only=["kv.*"], ignore=["network.refused"], environ={}).ready


@pytest.mark.parametrize("name", preflight.FORMATS)
def test_report_is_rendered_without_colours(refused: Path, name: str) -> None:
    text = render(check(refused, only=["kv.*"], environ={}), name)
    assert "network.refused" in text.replace("<wbr>", "")
    assert "\x1b" not in text


def test_environ_replaces_the_process_environment(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTLE_KV_DATA_PLANE_URL", "redis://nowhere.invalid")
    given = {"MISTLE_CONFIG_PATH": str(ready)}
    assert check(environ=given, only=["kv.*"]).ready
    assert not check(ready, only=["kv.*"]).ready


def test_environment_is_restored_after_a_run(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    before = dict(os.environ)
    check(ready, only=["kv.*"])
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"stage": "lve"}, "--stage"),
        ({"service": "api"}, "--service"),
        ({"timeout": 0}, "--timeout"),
        ({"deadline": "soon"}, "--deadline"),
        ({"fail_level": "never"}, "choose from 'fail', 'warn'"),
        ({"skip": "x" * 300}, "--skip"),
        ({"only": ["nothing-like-it"]}, "nothing-like-it"),
        ({"ignore": ["network.refuse"]}, "did you mean network.refused"),
        ({"ca_file": "/nowhere.pem"}, "--ca-file"),
    ],
)
def test_wrong_argument_is_a_usage_error(ready: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        check(ready, environ={}, **arguments)  # type: ignore[arg-type]


def test_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        check(tmp_path / "missing.toml", environ={})


def test_any_thread_may_call(ready: Path) -> None:
    found: list[Report] = []
    thread = threading.Thread(target=lambda: found.append(check(ready, only=["kv.*"], environ={})))
    thread.start()
    thread.join(20)
    assert found[0].ready


def test_public_names_exist() -> None:
    for name in preflight.__all__:
        assert getattr(preflight, name)
    with pytest.raises(AttributeError, match="nonsense"):
        preflight.nonsense  # noqa: B018


def test_first_example_of_the_docs(tmp_path: Path, refused: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[0].replace("5)", "5, skip=['postgres'])")],
        cwd=refused.parent,
        env=ENDED | {"PYTHONPATH": str(Path(preflight.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT READY" in done.stdout
    assert f"{URL} fail probed {configs.line_of(refused, URL)} network.refused" in done.stdout


def test_smoke_test_of_the_docs(tmp_path: Path, postgres: Postgres, pgbouncer: PgBouncer) -> None:
    urls = {f"postgres.{plane}.direct_url": postgres.url() for plane in ("control_plane", "data_plane")}
    urls |= {f"postgres.{plane}.pooled_url": pgbouncer.url() for plane in ("control_plane", "data_plane")}
    file = configs.write(tmp_path, urls)
    (tmp_path / "test_smoke.py").write_text(EXAMPLES[1].replace("check(", "check(only=['postgres'], "))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_smoke.py"],
        cwd=tmp_path,
        env=ENDED | {"MISTLE_CONFIG_PATH": str(file), "PYTHONPATH": str(Path(preflight.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout  # nothing was migrated: not ready, and it was probed
    assert "postgres.not-migrated" in done.stdout
