"""The variables that packages read: none changes a verdict, and all are listed here."""

import os
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from preflight.run import isolation
from tests.harness import configs, faults, profiles
from tests.harness.command import run
from tests.testbed import Valkey

READS = (
    re.compile(r"""\benviron(?:\.get|\.pop|\.setdefault)?[\[(]\s*f?["']([A-Za-z_0-9]+)["']"""),
    re.compile(r"""\bgetenv\(\s*f?["']([A-Za-z_0-9]+)["']"""),
    re.compile(r"""["']([A-Z_0-9]*[A-Z_][A-Z_0-9]*)["'] (?:not )?in (?:os\.)?environ\b"""),
)
HARMLESS = {
    "COLORTERM": "how many colours a terminal has",
    "COLUMNS": "how wide a terminal is",
    "LINES": "how high a terminal is",
    "NO_COLOR": "for the report; we read it too",
    "TERM": "for the live table; we read it too",
    "COMP_LINE": "for completion in a shell",
    "COMP_POINT": "for completion in a shell",
    "BASH_COMPLETION_COMPAT_DIR": "for completion in a shell",
    "SHELL": "for the installation of argcomplete",
    "ZDOTDIR": "for the installation of argcomplete",
    "HOME": "nothing is read there: tests/attacks/test_attack_contacts.py",
    "USERPROFILE": "on another system",
    "APPDATA": "on another system",
    "_ARC_DEBUG": "for completion in a shell",
    "PROCESSOR_ARCHITEW6432": "on another system",
    "CFFI_TMPDIR": "for a compiler",
    "SPHINX_BUILD": "for documentation",
    "REFERENCING_SUITE": "for tests",
    "TZ": "times are in UTC",
    "PYTHON_DOTENV_DISABLED": "for functions that change the environment; none is called",
    "FOO": "in a docstring",
}
"""Variables that packages read and that a run keeps: why they change nothing."""
SERVERS = {"CONTENT_LENGTH", "CONTENT_TYPE", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_PORT", "SCRIPT_NAME"}
SERVERS |= {"SERVER_PROTOCOL"}
"""Variables that a web server sets for a program (WSGI); they are not in the environment."""


def needed(name: str, met: set[str]) -> set[str]:
    """This distribution and all that it needs."""
    if name not in met:
        met.add(name)
        for line in distribution(name).requires or ():
            wanted = Requirement(line)
            extras = {"", "binary"} if name == "psycopg" else {""}
            if not wanted.marker or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                needed(wanted.name.lower(), met)
    return met


def read_by(name: str) -> Iterator[tuple[str, str]]:
    """The variables that a distribution reads, and the files that read them."""
    for file in distribution(name).files or ():
        if file.suffix == ".py" and "tests" not in file.parts:
            text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
            yield from ((variable, str(file)) for pattern in READS for variable in pattern.findall(text))


def test_every_variable_that_a_package_reads_is_known() -> None:
    packages = needed("mistle-preflight", set()) - {"mistle-preflight"}
    assert len(packages) > 30
    unknown = {
        variable: place
        for package in packages
        for variable, place in read_by(package)
        if not isolation.is_the_callers(variable)
        and variable not in HARMLESS
        and variable not in SERVERS
        and not variable.startswith(("_ARGCOMPLETE", "HTTP_", "REQUEST_"))
    }
    assert unknown == {}


HOSTILE = {
    "WEBSOCKETS_MAX_NUM_HEADERS": "1",
    "WEBSOCKETS_MAX_LINE_LENGTH": "1",
    "WEBSOCKETS_MAX_LOG_SIZE": "x",
    "WEBSOCKETS_BACKOFF_FACTOR": "x",
    "PSYCOPG_IMPL": "python",
    "PSYCOPG_WAIT_FUNC": "nonsense",
    "BOTOCORE_EXPERIMENTAL__PLUGINS": "a=nonsense",
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "OPENSSL_CONF": "/nowhere",
    "OTEL_PYTHON_CONTEXT": "nonsense",
    "UNICODE_VERSION": "x",
    "PYTHONWARNINGS": "error",
}


# Their example's hosts would make a name server decide, and it may be slow in one of two runs.
WEB = [
    *("services.dashboard.public_url", "services.dashboard.control_plane_api_origin"),
    *(f"services.control_plane_api.{which}_url" for which in ("public", "internal")),
    *(f"services.data_plane_{service}.internal_url" for service in ("api", "gateway")),
]


@pytest.mark.parametrize("variables", [HOSTILE, *profiles.first(0, [{name: value} for name, value in HOSTILE.items()])])
def test_no_variable_changes_a_verdict(variables: dict[str, str], valkey: Valkey, tmp_path: Path) -> None:
    with faults.refused_port() as port:
        values: dict[str, object] = {
            f"postgres.{plane}_plane.direct_url": f"postgres://u:p@127.0.0.1:{port}/{plane}"
            for plane in ("control", "data")
        }
        values |= dict.fromkeys(WEB, f"http://127.0.0.1:{port}") | {
            "email.smtp.host": "localhost",
            "email.smtp.port": port,
        }
        values["services.control_plane_api.auth.trusted_origins"] = [f"http://127.0.0.1:{port}"]
        values |= {"kv.data_plane.url": valkey.url(), "object_store.assets.endpoint": f"http://127.0.0.1:{port}"}
        for which in ("public", "internal"):
            values[f"services.data_plane_gateway.sandbox_ws_{which}_url"] = f"ws://127.0.0.1:{port}/tunnel/sandbox"
        command = (
            "--config",
            str(configs.write(tmp_path, values)),
            "--skip=*.pooled",
            "--skip=publish",
            "--skip=docker",
        )
        usual, changed = (run(*command, "-f", "json", env=env) for env in ({}, variables))
    assert (changed.code, changed.stderr) == (usual.code, b"") == (1, b"")
    assert changed.document["keys"] == usual.document["keys"]
    prometheus = run("config", "--config", command[1], "-f", "prometheus", env=variables)
    assert (prometheus.code, prometheus.stderr) == (0, b"")


@pytest.mark.parametrize("variables", [{"_ARGCOMPLETE": value} for value in ("", "1", "x")], ids=str)
def test_argcomplete_variable_alone_does_not_complete(variables: dict[str, str]) -> None:
    ended = run("--version", env=variables)
    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"mistle-preflight ")


def test_environment_is_restored_by_the_last_of_overlapping_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    monkeypatch.setenv("PGHOST", "x")
    before = logging.lastResort
    first, second = isolation.isolated(), isolation.isolated()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert "PGHOST" not in os.environ
    assert logging.lastResort is not before
    second.__exit__(None, None, None)
    assert os.environ["PGHOST"] == "x"
    assert logging.lastResort is before


def test_outdated_package_on_the_path_is_named(tmp_path: Path) -> None:
    """PYTHONPATH may lead to an old package: redis 6 has no ``driver_info``."""
    (tmp_path / "redis/asyncio").mkdir(parents=True)
    (tmp_path / "redis/__init__.py").touch()
    (tmp_path / "redis/asyncio/__init__.py").write_text("class Redis: pass\n")
    (tmp_path / "redis-6.0.0.dist-info").mkdir()
    (tmp_path / "redis-6.0.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: redis\nVersion: 6.0.0\n")
    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
        ended = run("--config", str(file), "--only=valkey", "-f", "json", code=code)
    assert (ended.code, ended.stderr) == (1, b"")
    found = {each["id"]: each["message"] for check in ended.document["checks"] for each in check["findings"]}
    assert found["run.other-package"] == f"redis 6.0.0 is in {tmp_path}, and redis>=7.2 is needed"
