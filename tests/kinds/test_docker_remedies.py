"""Each remedy of the Docker check, run as it is printed by Docker's own client: its finding is gone."""

import grp
import os
import pwd
import shutil
from pathlib import Path

import pytest

from checks.docker import remedies
from tests.harness import profiles, socket_faults
from tests.harness.remedies import has_form, printed, problems, run_in_shell
from tests.kinds.test_docker import as_nobody, check
from tests.testbed import Engine

HOSTILE = ("--driver=host", "x;touch owned", "$(touch owned)", "a b", "a\nb", "`touch owned`", "x" * 200)
needs_client = pytest.mark.skipif(not shutil.which("docker"), reason="needs Docker's command line client")


@needs_client
def test_missing_network(engine: Engine, tmp_path: Path) -> None:
    name = "mistle-sandboxes"
    before = check(engine.socket, network=name)
    remedy = printed(before["docker.network-missing"], "docker")
    assert has_form(remedy, "docker.network-missing")
    assert remedy.command == f"docker -H unix://{engine.socket} network create {name}"
    run_in_shell(remedy, tmp_path)
    after = check(engine.socket, network=name)
    assert problems(after) == problems(before) - {"docker.network-missing"}


@profiles.long
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_of_a_network_has_no_command(engine: Engine, name: str) -> None:
    assert check(engine.socket, network=name)["docker.network-missing"].remedies == ()


@profiles.long
@needs_client
def test_hostile_path_of_a_socket() -> None:
    """The command is for a shell: the path stays one word of it."""
    (remedy,) = remedies.create_network("/tmp/$(touch owned); 'x' \"y\"/docker.sock", "n")
    assert remedy.command == """docker -H 'unix:///tmp/$(touch owned); '"'"'x'"'"' "y"/docker.sock' network create n"""


def test_helper_image() -> None:
    """The command is right where Docker Hub can be reached, which it cannot from here."""
    (remedy,) = remedies.pull("/var/run/docker.sock", "alpine:3.20")
    assert has_form(remedy, "docker.helper-image-missing")
    assert remedy.command == "docker pull alpine:3.20"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a socket another owner")
@pytest.mark.parametrize("mode", [0o660, 0o600])
def test_group_of_the_socket(mode: int) -> None:
    group, user = grp.getgrnam("daemon"), pwd.getpwuid(os.geteuid())
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o755)
        os.chown(path, 0, group.gr_gid)
        path.chmod(mode)
        finding = as_nobody(lambda: check(path))["docker.permission-denied"]
    if mode == 0o600:
        assert finding.remedies == ()
        return
    remedy = printed(finding, "shell")
    assert has_form(remedy, finding.id)
    assert remedy.command == f"sudo usermod -aG {group.gr_name} -- {user.pw_name}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a socket another owner")
def test_root_is_the_group_of_the_socket() -> None:
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o755)
        path.chmod(0o660)
        assert remedies.join_group(str(path)) == ()
