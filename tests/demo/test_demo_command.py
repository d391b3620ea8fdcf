"""`mistle-preflight demo` as an operator uses it."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from preflight.demo.client import PACKAGES
from preflight.demo.faults import FAULTS
from tests.harness import profiles
from tests.harness.command import CLEAN, ROOT, run
from tests.harness.networks import can_have_own_network

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Runs a command in a network that has nothing but loopback."""


@profiles.long
def test_document_is_alone_on_standard_output(tmp_path: Path) -> None:
    """The variables of the operator's own deployment are not the demo's."""
    mine = {"MISTLE_CONFIG_PATH": "/nowhere", "MISTLE_EMAIL_SMTP_PORT": "1"}
    ended = run("demo", "-f", "json", "-f", f"html={tmp_path / 'page.html'}", "--break", "smtp-secure", env=mine)
    assert (ended.code, ended.stderr) == (1, b"")
    problems = {each["id"] for check in ended.document["checks"] for each in check["findings"] if each["hint"]}
    assert problems == {"smtp.plaintext"}
    (verdict,) = (each for each in ended.document["keys"] if each["key"] == "email.smtp.secure")
    assert verdict["origin"] == "mistle.toml:129"
    assert "What to fix" in (tmp_path / "page.html").read_text()


def test_list_names_each_fault_and_its_finding() -> None:
    ended = run("demo", "--list")
    assert (ended.code, ended.stderr) == (0, b"")
    assert [line.split()[0] for line in ended.stdout.decode().splitlines()] == [*FAULTS]
    assert all(fault.finding.encode() in ended.stdout for fault in FAULTS.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "--break", "valkey-acls"), "'valkey-acls' is no fault of the demo; did you mean valkey-acl?"),
        (("demo", "--config", "mistle.toml"), "--config: demo makes a configuration of its own"),
        (("--break", "bucket"), "--break is a flag of the command demo"),
        (("demo", "--list", "-f", "json"), "--format: demo has no format 'json'; it has: text"),
    ],
    ids=["unknown fault", "own configuration", "other command", "list in json"],
)
def test_usage_error(arguments: tuple[str, ...], message: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert message in ended.stderr.decode()


def test_missing_extra_is_named_in_one_line() -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({PACKAGES!r}))"
    ended = run("demo", code=code)
    assert ended.code == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.endswith("pip install 'mistle-preflight[demo]'")


def test_kept_demo_can_be_checked_again_and_ended() -> None:
    ended = run("demo", "-q", "--keep", "--break", "valkey-evicts")
    assert ended.code == 0
    lines = ended.stderr.decode().splitlines()
    _, *again = lines[1].split()
    config, process = Path(again[1]), int(lines[3].split()[1])
    try:
        assert run(*again, "-q").code == 0
    finally:
        descriptor = os.pidfd_open(process)
        os.kill(process, signal.SIGTERM)
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)
    assert not config.parent.exists()


def test_folder_for_temporary_files_with_a_long_name(tmp_path: Path) -> None:
    """The path of a socket in it would be longer than a system allows."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    assert run("demo", "-q", "--only", "docker", env={"TMPDIR": str(folder)}).code == 0
    assert not [*folder.iterdir()]


@pytest.mark.skipif(not can_have_own_network(), reason="needs root, for a network of its own")
def test_demo_without_a_network() -> None:
    command = [*ALONE, sys.executable, "-m", "preflight.cli.main", "demo", "-f", "json"]
    done = subprocess.run(command, env=CLEAN, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["ready"]


@profiles.long
def test_debian_container_without_docker_and_network(tmp_path: Path) -> None:
    """The wheel and what it needs, in a container that has Debian's Python alone; as an ordinary user."""
    platforms = [f"--platform=manylinux_2_{number}_x86_64" for number in (34, 28, 17)]
    theirs = ["--python-version=3.13", "--only-binary=:all:", *platforms, "-c", str(ROOT / "constraints.txt")]
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "wheel"), str(ROOT)]
    subprocess.run(wheel, check=True)
    (built,) = (tmp_path / "wheel").iterdir()
    install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path), *theirs, f"{built}[demo]"]
    subprocess.run(install, check=True)
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "--user=nobody",
        "-e",
        "PYTHONPATH=/packages",
        "-e",
        "HOME=/tmp",
    ]
    image = ["-v", f"{tmp_path}:/packages:ro", "mistle-preflight-test/services", "python3", "-m", "preflight.cli.main"]
    done = subprocess.run([*command, *image, "demo", "-f", "json"], capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["ready"]
