"""Replies that a driver cannot read.

Each server sends what its protocol allows and no such server ever sends: values of another type, headers that
contradict each other, text in no encoding, a little XML that expands to a lot. The finding blames the server; it is
never a bug of the tool. An error in the code that judges a reply remains a bug.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import checks
from checks.core.finding import Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.report.run_causes import EXIT_CODES
from preflight.run.runner import Run, run
from tests.fuzz import replies
from tests.harness import answers, floods, profiles
from tests.harness.descriptors import TARGETS
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.run_check import planned
from tests.harness.targets import check_at_server, run_at_server

SECONDS = 120  # of the search in the long profile; scripts/fuzz has its time as an argument


def _refusal(body: str | bytes) -> Behaviour:
    return answers.always(answers.reply("403 Forbidden", body, "Content-Type: application/xml"))


UNREADABLE = {what: (kind, *case) for kind, target in TARGETS.items() for what, case in target.unreadable.items()}


@pytest.mark.parametrize("what", UNREADABLE)
def test_reply_that_cannot_be_read(what: str):
    kind, behaviour, id_, layer = UNREADABLE[what]
    with check_at_server(kind, behaviour) as check:
        finding = run_at_server(check).fails(id_, layer, TARGETS[kind].key, hint="leads to")
    assert finding.message.startswith("the server's reply cannot be read: ")


NO_TEXT = floods.message(b"E", b"SERROR\0C\xff\xfe\0M\xff no\0\0")
LOGIN, QUERY = floods.at_login(lambda: iter([NO_TEXT])), floods.at_query(lambda: iter([NO_TEXT + floods.READY]))


@pytest.mark.parametrize(
    ("script", "id_", "layer"),
    [(LOGIN, "postgres.login-refused", Layer.AUTH), (QUERY, "postgres.query-failed", Layer.ACCESS)],
    ids=["login", "query"],
)
def test_postgres_error_in_no_encoding(script: floods.Script, id_: str, layer: Layer):
    with check_at_server("postgres", floods.Flood(script)) as check:
        result = run_at_server(check)
    assert (result[id_].layer, result[id_].message.endswith(" no")) == (layer, True)


def test_object_store_date_out_of_range():
    skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>"
    date = "Date: Mon, 01 Jan 0001 00:00:00 +99999999999999\r\nContent-Type: application/xml"
    with check_at_server("object_store", answers.always(answers.reply("403 Forbidden", skewed, date))) as check:
        run_at_server(check)["object-store.clock-skew"]


def test_postgres_20000_master_keys_are_few_findings():
    stored = "".join(f"<v>{number}</v><c>v1.x</c>" for number in range(20_000))
    with check_at_server("pooled", answers.postgres({"row": answers.server_state(ciphertexts=stored)})) as check:
        result = run_at_server(check)
    assert len(result.findings) < 200, len(result.findings)


def _raising(module: str, error: type[Exception] = IndexError) -> Callable[..., object]:
    """A function of this module that raises the error."""
    globals_: dict[str, Any] = {"__name__": module, "error": error}
    exec("def fail(*_, **__): raise error", globals_)  # its globals show its module
    fail: Callable[..., object] = globals_["fail"]
    return fail


# Errors that no known reply causes: a function of the driver fails, at a healthy server.
BROKEN = {kind: target.driver_error for kind, target in TARGETS.items() if target.driver_error}


@pytest.mark.parametrize("kind", BROKEN)
def test_driver_error_is_an_unexpected_reply(kind: str, monkeypatch: pytest.MonkeyPatch):
    error = BROKEN[kind]
    with check_at_server(kind, error.server) as check:
        run_at_server(check)  # loads the driver
        monkeypatch.setattr(error.function, _raising(error.module))
        finding = run_at_server(check)[error.id]
    assert finding.layer is error.layer
    assert finding.hint
    assert "IndexError" in finding.message


def test_every_kind_that_reads_replies_has_its_finding():
    covered = {case[0] for case in UNREADABLE.values()} | BROKEN.keys()
    made = [planned(target.name, target.values("h:1")) for kind, target in TARGETS.items() if kind in covered]
    readers = {kind.kind for kind in checks.load_all() if kind.reply_readers}
    missing = readers - {check.kind for check in made}
    assert not missing, "add unreadable or driver_error to a target of its DESCRIPTOR"
    without = set(checks.ALL) - readers
    assert not without, "a kind that reads replies names its readers in reply_readers"


# Errors in the code that judges a reply, and errors that no reply can cause.
BUGS: Mapping[str, tuple[str, str, type[Exception], str, Behaviour]] = {
    "valkey": ("checks.valkey.Valkey._check_info", "checks.valkey", KeyError, "valkey", answers.valkey(b"role:master")),
    "postgres": (
        "checks.postgres.inspection.migrations._migrations",
        "checks.postgres.inspection.migrations",
        KeyError,
        "postgres",
        answers.postgres({"row": answers.server_state()}),
    ),
    "docker": (
        "checks.docker.unsuitable",
        "checks.docker.fitness",
        KeyError,
        "docker",
        answers.http(TARGETS["docker"].replies, {}),
    ),
    "a name": (
        "checks.http_service.responses.health",
        "checks.http_service.responses",
        NameError,
        "api",
        answers.http(TARGETS["api"].replies, {}),
    ),
}


@pytest.mark.parametrize("what", BUGS)
def test_error_in_our_code_is_a_bug(what: str, monkeypatch: pytest.MonkeyPatch):
    broken, module, error, kind, behaviour = BUGS[what]
    with check_at_server(kind, behaviour) as check:
        run_at_server(check)
        monkeypatch.setattr(broken, _raising(module, error))
        done = run((planned(check.name, check.values),), Settings(Trust()), deadline=20, origins={})
    failed = [finding.id for finding in done.results[0].findings if finding.status is Status.FAIL]
    assert failed == ["internal.bug"]
    assert error.__name__ in done.bugs[0]


def test_driver_import_error_is_a_bug(monkeypatch: pytest.MonkeyPatch):
    with check_at_server("valkey", answers.valkey(b"role:master")) as check:
        run_at_server(check)
        load = compile("raise KeyError", "redis/late.py", "exec")
        monkeypatch.setattr("redis.asyncio.Redis.pipeline", lambda *_, **__: exec(load, {"__name__": "redis.late"}))
        done = run((planned(check.name, check.values),), Settings(Trust()), deadline=20, origins={})
    assert exit_code(done) == 3


def test_unreadable_reply_shows_its_traceback():
    with check_at_server("valkey", UNREADABLE["INFO is a number"][1]) as check:
        done = run((planned(check.name, check.values),), Settings(Trust()), deadline=20, origins={})
    assert exit_code(done) == 1
    assert "Traceback (most recent call last)" in done.bugs[0]
    assert "AttributeError" in done.bugs[0]


def exit_code(done: Run) -> int:
    ids = {finding.id for result in done.results for finding in result.findings if finding.status is Status.FAIL}
    return max((EXIT_CODES.get(id_, 1) for id_ in ids), default=0)


# A little XML that expands to a lot. test_attack_memory measures its cost.

_DTD = '<!DOCTYPE Error [<!ATTLIST a b CDATA "X">]><Error><Code>AccessDenied</Code><a/></Error>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1", "cp037"])
def test_no_document_type_is_read(encoding: str):
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'
    body = declared.encode() + _DTD.encode(encoding) if encoding == "cp037" else (declared + _DTD).encode(encoding)
    with check_at_server("object_store", _refusal(body)) as check:
        result = run_at_server(check)
    result.fails("object-store.not-s3", Layer.ACCESS, TARGETS["object_store"].key, hint="S3")


# Replies with random changes.


@profiles.long
def test_fuzz_replies(figures: Section):
    """In a process of its own: what the limit of a check has cut on a busy machine is closed with the process."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.fuzz.replies", str(SECONDS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS + 120, check=False)
    summary = re.search(r"^replies: (\d+) checks, 0 bad ends$", done.stdout, re.MULTILINE)
    assert summary, done.stdout[-5000:] + done.stderr[-5000:]
    assert done.returncode == 0
    figures.add("servers whose replies were changed at random", f"{int(summary[1]):,}")
    figures.add("bugs that they caused", 0)


def test_fuzz_replies_finds_a_bug_and_prints_its_seed(monkeypatch: pytest.MonkeyPatch):
    results, bad = replies.search(["valkey"], range(2))
    assert (len(results), bad) == (2, [])
    monkeypatch.setattr("checks.valkey.Valkey.run", _raising("checks.valkey"))
    assert [text.partition(":")[0] for text in replies.search(["valkey"], range(2))[1]] == ["valkey 0", "valkey 1"]


def test_fuzz_replies_seed_is_deterministic():
    assert replies.changed(answers.reply("200 OK", "{}"), random.Random(5)) == replies.changed(
        answers.reply("200 OK", "{}"), random.Random(5)
    )
