"""Each remedy of the Valkey check, run as it is printed: its finding is gone, and nothing else is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.core.finding import Finding, Status
from preflight import check as preflight_check
from preflight.report.model import Report
from tests.harness import profiles
from tests.harness.configs import write
from tests.harness.remedies import has_form, printed, problems, run_in, run_in_shell
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Valkey, valkey_server

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
ADMIN = "user default on >pw ~* &* +@all\nuser mistle on >pw ~mistle:* resetchannels -@all\n"
NEEDS = ("+get", "+set", "+del", "+zadd", "+zrem", "+zremrangebyscore", "+zcard", "+eval")
HOSTILE = (
    "$(touch${IFS}/tmp/owned)`touch${IFS}/tmp/owned`;x",
    "';touch${IFS}/tmp/owned;'",
    "'; touch /tmp/owned; '",
    "--eval",
    'a"b\\c',
    "*",
    "[a-z]?",
    "префикс",
)


@pytest.fixture(scope="module")
def limited() -> Iterator[Valkey]:
    with valkey_server(files={"users.acl": ADMIN.encode()}, aclfile="/files/users.acl") as server:
        yield server


def setuser(server: Valkey, user: str, *rules: str) -> None:
    with server.client("pw") as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", ">pw", *rules)


def check(url: str, prefix: str = "mistle") -> CheckRun:
    return run_check("kv.data_plane", {URL: url, PREFIX: prefix})


def cure(server: Valkey, finding: Finding, password: str = "pw") -> str:
    remedy = printed(finding, "valkey-cli")
    assert has_form(remedy, finding.id)
    run_in(server, remedy, REDISCLI_AUTH=password)
    return remedy.command


MISSING = {
    "one command": ("~mistle:*", *NEEDS, "-zadd"),
    "a command that a script runs too": ("~mistle:*", *NEEDS, "-get"),
    "keys": ("~other:*", *NEEDS),
    "a command and keys": ("~other:*", *NEEDS, "-zcard"),
    "everything": ("-@all",),
}


@pytest.mark.parametrize("case", profiles.first(1, list(MISSING)))
def test_rights_of_a_user(limited: Valkey, case: str) -> None:
    setuser(limited, "mistle", *MISSING[case])
    url = limited.url("pw", "mistle")
    before = check(url)
    assert problems(before) == {"valkey.not-permitted"}
    command = cure(limited, before["valkey.not-permitted"])
    assert problems(check(url)) == set(), command
    if case == "one command":
        assert command == "valkey-cli ACL SETUSER mistle +zadd"
    if case == "keys":
        assert command == "valkey-cli ACL SETUSER mistle '~mistle:*'"


@profiles.long
def test_another_database(limited: Valkey) -> None:
    setuser(limited, "mistle", "~mistle:*", *NEEDS)
    url = limited.url("pw", "mistle", database=1)
    assert cure(limited, check(url)["valkey.not-permitted"]) == "valkey-cli ACL SETUSER mistle +select"
    assert problems(check(url)) == set()


@profiles.long
def test_user_that_is_switched_off() -> None:
    acl = b"user default on nopass ~* &* +@all\nuser sleeper off >pw ~* &* +@all\n"
    with valkey_server(files={"users.acl": acl}, aclfile="/files/users.acl") as server:
        url = server.url("pw", "sleeper")
        cure(server, check(url)["valkey.user-disabled"], "")
        assert problems(check(url)) == set()


@profiles.long
def test_eviction() -> None:
    with valkey_server(maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        command = cure(server, check(server.url())["valkey.evicts-keys"], "")
        assert command == "valkey-cli CONFIG SET maxmemory-policy noeviction"
        assert problems(check(server.url())) == set()


def ids(report: Report) -> set[str]:
    return {finding.id for finding in report.findings if finding.status >= Status.WARN}


@profiles.long
@pytest.mark.parametrize("writable", ["yes", "no"])
@pytest.mark.parametrize("place", ["mistle.toml", "prod.env"])
def test_replica_leads_to_its_primary(tmp_path: Path, writable: str, place: str) -> None:
    """The URL has a password, which is in no command."""
    with (
        valkey_server(requirepass="correct-horse") as primary,
        valkey_server(
            replicaof=primary.address.replace(":", " "),
            masterauth="correct-horse",
            requirepass="correct-horse",
            replica_read_only="no" if writable == "yes" else "yes",
        ) as replica,
    ):
        url = replica.url("correct-horse")
        file, variables = write(tmp_path, {URL: url}), tmp_path / "prod.env"
        variables.write_text(f"MISTLE_KV_DATA_PLANE_URL='{url}'\n" if place == "prod.env" else "")

        def run() -> Report:
            return preflight_check(file, environ={}, env_file=variables, only=["kv.*"])

        before = run()
        assert ids(before) == {"valkey.replica"}
        (finding,) = (finding for finding in before.findings if finding.id == "valkey.replica")
        remedy = printed(finding, "shell")
        assert has_form(remedy, finding.id)
        assert "correct" not in remedy.command
        run_in_shell(remedy, tmp_path)
        assert ids(run()) == set()


@profiles.long
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_user_and_prefix(limited: Valkey, name: str) -> None:
    if " " in name:  # no user of such a name can be made, nor keys with it be granted
        assert check(limited.url("pw", "mistle"), name)["valkey.not-permitted"].remedies == ()
        return
    setuser(limited, name, *NEEDS)
    url = limited.url("pw", name)
    before = check(url, name)
    assert problems(before) == {"valkey.not-permitted"}, before
    cure(limited, before["valkey.not-permitted"])
    assert problems(check(url, name)) == set()
    assert problems(check(url, "another")) == {"valkey.not-permitted"}
    code, _ = limited.container.get_wrapped_container().exec_run(["test", "-e", "/tmp/owned"])
    assert code == 1
