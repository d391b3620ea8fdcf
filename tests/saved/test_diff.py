"""The difference between two reports of real runs, and whether the later one is worse."""

import json
from pathlib import Path

import pytest

from checks.core.finding import Status
from preflight.saved.diff import Change, Difference, diff
from preflight.saved.reader import read
from tests.harness import faults
from tests.harness.format_readers import markdown
from tests.harness.kept_reports import PREFIX, URL, changed, kept, kept_refused
from tests.harness.processes import preflight
from tests.testbed import Valkey, valkey_server

KV = "kv.data_plane"


@pytest.fixture
def right(tmp_path: Path, valkey: Valkey) -> Path:
    return kept(tmp_path, "right", {URL: valkey.url()}, only="kv.*")


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    return kept_refused(tmp_path, "refused")


def compared(before: Path, after: Path, level: Status = Status.FAIL) -> Difference:
    return diff(read(before), read(after), level)


def ids(problems: tuple) -> list[str]:
    return [problem.finding.id for problem in problems]


def test_equal_reports(right: Path) -> None:
    found = compared(right, right)
    assert (found.worse, found.exit_code) == (False, 0)
    assert {found.new, found.fixed, found.still, found.unproven, found.unchecked, found.facts} == {()}


def test_new_failure_is_worse(right: Path, refused: Path) -> None:
    found = compared(right, refused)
    assert ids(found.new) == ["network.refused"]
    assert (found.fixed, found.still, found.exit_code) == ((), (), 1)
    assert found.unproven == (PREFIX,)  # of the URL the later run says more: it fails


def test_fixed_failure_is_not_worse(right: Path, refused: Path) -> None:
    found = compared(refused, right)
    assert ids(found.fixed) == ["network.refused"]
    assert (found.new, found.still, found.exit_code) == ((), (), 0)


def test_failure_on_a_higher_layer_is_still_failing(tmp_path: Path, refused: Path) -> None:
    with valkey_server(requirepass="secret") as server:
        rejected = kept(tmp_path, "rejected", {URL: server.url("nonsense")}, only="kv.*")
    found = compared(refused, rejected)
    (problem,) = found.still
    assert (problem.finding.id, problem.was) == ("valkey.password-rejected", ("network.refused",))
    assert (found.new, found.fixed, found.exit_code) == ((), (), 0)


def test_same_failure_has_no_past(refused: Path) -> None:
    (problem,) = compared(refused, refused).still
    assert problem.was == ()


def test_problem_that_was_not_checked_again_is_not_fixed(tmp_path: Path, refused: Path, valkey: Valkey) -> None:
    with faults.refused_port() as port:
        changes = {URL: valkey.url(), "email.smtp.host": "127.0.0.1", "email.smtp.port": port}
        mail = kept(tmp_path, "mail", changes, only=["smtp"])
    found = compared(refused, mail)
    assert (ids(found.unchecked), found.fixed) == (["network.refused"], ())
    assert ids(found.new) == ["network.refused"]  # of another check


def test_keys_that_are_no_longer_proven(tmp_path: Path, right: Path, valkey: Valkey) -> None:
    with faults.refused_port() as port:
        mail = kept(tmp_path, "mail", {URL: valkey.url(), "email.smtp.port": port}, only=["smtp"])
    assert compared(right, mail).unproven == (URL, PREFIX)


def test_changed_facts(tmp_path: Path, right: Path) -> None:
    with valkey_server() as other:
        moved = kept(tmp_path, "moved", {URL: other.url()}, only="kv.*")
    changes = compared(right, moved).facts
    assert [change.fact for change in changes] == ["run_id"]  # another process of the same version
    document = json.loads(right.read_text())
    document["checks"][-1]["facts"] |= {"version": "7.0.0", "certificate_expires": "2027-01-01T00:00:00Z"}
    older = changed(right, "older", checks=document["checks"])
    now = read(right).results[-1].facts["version"]
    assert compared(older, right).facts == (
        Change(KV, "version", "7.0.0", now),
        Change(KV, "certificate_expires", "2027-01-01T00:00:00Z", None),
    )


def test_warnings_count_with_level_warn(tmp_path: Path, right: Path) -> None:
    with valkey_server(maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        evicting = kept(tmp_path, "evicting", {URL: server.url()}, only="kv.*")
    assert compared(right, evicting).new == ()
    found = compared(right, evicting, Status.WARN)
    assert (ids(found.new), found.exit_code) == (["valkey.evicts-keys"], 1)


def test_interrupted_run_is_worse_than_a_ready_one(right: Path) -> None:
    found = compared(right, changed(right, "interrupted", ready=False))
    assert (found.new, found.exit_code) == ((), 1)


def test_text_ends_with_the_verdict(right: Path, refused: Path) -> None:
    done = preflight("diff", right, refused)
    assert (done.code, done.stderr) == (1, "")
    assert done.stdout.startswith("before  right.json · ")
    assert f"  ✗ network.refused  ({KV}, connect)\n      {URL}\n" in done.stdout
    assert done.stdout.endswith("WORSE · 1 new, 0 still failing, 0 fixed\n")
    assert "\x1b" not in done.stdout
    better = preflight("diff", refused, right)
    assert better.code == 0
    assert better.stdout.endswith("NOT WORSE · 0 new, 0 still failing, 1 fixed\n")


def test_json_has_every_part(right: Path, refused: Path) -> None:
    document = json.loads(preflight("diff", right, refused, "-f", "json").stdout)
    assert (document["schema"], document["worse"]) == ("mistle-preflight-diff/1", True)
    assert document["before"]["ready"] is True
    assert [(problem["id"], problem["keys"]) for problem in document["new"]] == [("network.refused", [URL])]
    assert document["unproven"] == [PREFIX]


def titles(markdown_text: str) -> list[str]:
    return [words for tag, words in markdown(markdown_text).texts if tag in {"h2", "h3"}]


def test_markdown_has_every_part(right: Path, refused: Path) -> None:
    done = preflight("diff", right, refused, "-f", "markdown")
    assert titles(done.stdout) == ["❌ WORSE", "New failures", "No longer proven"]
    assert "→ `start the service, or correct the host and port in" in done.stdout
    better = preflight("diff", refused, right, "-f", "markdown")
    assert titles(better.stdout) == ["✅ NOT WORSE", "Fixed"]


@pytest.mark.parametrize(("name", "lines"), [("text", 7), ("markdown", 8)])
def test_quiet_is_failures_and_the_verdict(right: Path, refused: Path, name: str, lines: int) -> None:
    text = preflight("diff", "-q", right, refused, "-f", name).stdout
    assert "network.refused" in text
    assert len(text.splitlines()) == lines, text
    assert preflight("diff", "-q", refused, right, "-f", name).stdout.count("\n") == 1
    interrupted = preflight("diff", "-q", right, changed(right, "interrupted", ready=False), "-f", name).stdout
    assert "not ready" in interrupted
