"""The image: what is in it, and how it runs on real servers: without root or capabilities, and within its limits."""

import json
import subprocess
import tarfile
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.harness import configs, faults, profiles
from tests.harness.command import ids
from tests.harness.full_deployment import PATIENT, FullDeployment
from tests.testbed import command_image, versions

pytestmark = profiles.long

LIMITS = ("--memory=192m", "--memory-swap=192m", "--pids-limit=16")
HARDENED = ("--rm", "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", *LIMITS)
PYTHON = "/opt/mistle-preflight/bin/python"
UNCHECKED = b"\x01\0\0\0"
"""The flags of a compiled module that Python does not compare with its source."""


def docker(*arguments: object, **streams: Any) -> subprocess.CompletedProcess[str]:
    pipes = {"capture_output": True, **streams}
    return subprocess.run(["docker", *map(str, arguments)], text=True, check=False, timeout=300, **pipes)


@pytest.fixture(scope="module")
def image() -> str:
    return command_image.build("command")


@pytest.fixture(scope="module")
def about(image: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image).stdout)
    return dict(found)


@pytest.fixture(scope="module")
def files(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tarfile.TarFile]:
    container = docker("create", image).stdout.strip()
    exported = tmp_path_factory.mktemp("image") / "files.tar"
    assert docker("export", "-o", exported, container).returncode == 0
    docker("rm", container)
    with tarfile.open(exported) as archive:
        yield archive


def content(files: tarfile.TarFile, name: str) -> IO[bytes]:
    opened = files.extractfile(name.removeprefix("/"))
    assert opened
    return opened


def test_image_has_no_other_program_and_no_setuid_file(image: str, files: tarfile.TarFile) -> None:
    members = [each for each in files if not each.issym()]
    assert [each.name for each in members if each.mode & 0o6000] == []
    assert {each.name for each in members if each.mode & 0o002} <= {"tmp", "dev/console", "dev/pts", "dev/shm"}
    assert {(each.uid, each.gid) for each in members} == {(0, 0)}
    programs = {each.name for each in files if Path(each.name).parent.name in ("bin", "sbin")}
    assert {Path(name).name.partition("3")[0] for name in programs} == {"python", "mistle-preflight"}
    assert docker("run", "--rm", "--entrypoint=/bin/sh", image, "-c", "true").returncode == 127


def test_modules_are_compiled_and_not_compared(files: tarfile.TarFile) -> None:
    names = {name for name in files.getnames() if name.endswith(".py") and name.startswith(("usr/lib", "opt"))}
    assert len(names) > 2_000
    compiled = {name for name in files.getnames() if name.endswith(".pyc")}
    (tag,) = {Path(name).name.split(".")[-2] for name in compiled}
    expected = {str(Path(name).parent / "__pycache__" / f"{Path(name).stem}.{tag}.pyc") for name in names}
    assert expected == compiled
    assert {content(files, name).read(8)[4:] for name in compiled} == {UNCHECKED}


def test_image_size(files: tarfile.TarFile, about: dict[str, Any]) -> None:
    assert about["Size"] < 155_000_000
    services = {Path(name).parts[7] for name in files.getnames() if "/botocore/data/" in name}
    assert {name for name in services if not name.endswith(".json")} == {"s3"}


def test_bill_of_materials_names_what_is_installed(image: str, files: tarfile.TarFile, about: dict[str, Any]) -> None:
    text = content(files, about["Config"]["Labels"]["mistle-preflight.sbom"]).read().decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    code = "from importlib.metadata import distributions as d; print(*(f'{each.name}=={each.version}' for each in d()))"
    installed = docker("run", "--rm", f"--entrypoint={PYTHON}", image, "-c", code).stdout.split()
    components = json.loads(text)["components"]
    named = {f"{each['name']}=={each['version']}" for each in components if each["purl"].startswith("pkg:pypi/")}
    assert named == {*installed}
    debian = {each["name"] for each in components if each["purl"].startswith("pkg:deb/")}
    assert {"libc6", "libssl3t64", "libpython3.13-stdlib", "python3.13-minimal", "zlib1g"} <= debian
    parts = {part["name"] for each in components for part in each.get("components", ())}
    assert any(name.startswith("libpq") for name in parts)


def statuses(report: str) -> dict[str, str]:
    return {check["name"]: check["status"] for check in json.loads(report)["checks"]}


def mounted(*paths: object) -> list[str]:
    return [f"--volume={path}:{path}:ro" for path in paths]


def test_proves_a_whole_deployment_within_its_limits(image: str, deployment: FullDeployment) -> None:
    socket = Path(str(deployment.values["sandbox.docker.socket_path"]))
    socket.chmod(0o666)
    flags = ("--config", deployment.config, "--ca-file", deployment.roots, *PATIENT, "--format", "json")
    done = docker("run", *HARDENED, *mounted(deployment.config, deployment.roots, socket), image, *flags)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    outside, _ = deployment.start(*PATIENT, "--format", "json").communicate()
    assert statuses(done.stdout) == statuses(outside)
    assert {check["kind"] for check in json.loads(outside)["checks"]} > {"postgres", "valkey", "object_store", "smtp"}


@pytest.mark.parametrize("user", ["0:0", "1000:1000", "65532:65532"])
def test_runs_as_any_user(image: str, user: str, tmp_path: Path) -> None:
    file = configs.write(tmp_path)
    done = docker(
        "run",
        *HARDENED,
        f"--user={user}",
        f"--volume={file}:/work/mistle.toml:ro",
        image,
        "config",
        "--config",
        file.name,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_as_nobody_and_says_its_version(image: str, about: dict[str, Any]) -> None:
    assert about["Config"]["User"] == "65532:65532"
    done = docker("run", *HARDENED, image, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mistle-preflight ")


def test_image_runs_serve(image: str, tmp_path: Path) -> None:
    name, token = f"preflight-{uuid.uuid4().hex}", "0123456789abcdef0123456789abcdef"
    file = configs.write(tmp_path)
    command = ("serve", "--config", file.name, "--listen", "127.0.0.1:0", "--only", "valkey")
    environment = ("-e", f"MISTLE_PREFLIGHT_TOKEN={token}")
    options = (*HARDENED, *environment, f"--name={name}", f"--volume={file}:/work/{file.name}:ro")
    with subprocess.Popen(["docker", "run", *options, image, *command], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        address = running.stdout.readline().split()[0]
        with urllib.request.urlopen(f"{address}healthz") as reply:
            assert reply.status == 200
        docker("stop", name)
    assert running.returncode == 0


@pytest.fixture
def silent() -> Iterator[tuple[int, threading.Event]]:
    """A port that never replies, and the event of the first connection."""
    connected = threading.Event()

    def behave(connection: Any) -> None:
        connected.set()
        faults.read_on(connection)

    with faults.serving(behave) as port:
        yield port, connected


ENDS: dict[str, tuple[Callable[[str], object], int]] = {
    "docker stop": (lambda name: docker("stop", "--time=60", name), 143),
    "SIGINT": (lambda name: docker("kill", "--signal=INT", name), 130),
}


@pytest.mark.parametrize("way", ENDS)
def test_signal_ends_process_1_with_a_report(
    image: str, way: str, silent: tuple[int, threading.Event], tmp_path: Path
) -> None:
    (port, connected), name = silent, f"preflight-{uuid.uuid4().hex}"
    file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
    flags = ("--config", file.name, "--only", "valkey", "--timeout", "200", "--deadline", "300", "--format", "json")
    command = ("run", f"--name={name}", *HARDENED, f"--volume={file}:/work/{file.name}:ro", image, *flags)
    end, code = ENDS[way]
    with subprocess.Popen(["docker", *command], stdout=subprocess.PIPE, text=True) as running:
        assert connected.wait(60)
        _, *processes = docker("top", name, "-eo", "pid,ppid,stat").stdout.splitlines()
        end(name)
        output, _ = running.communicate(timeout=90)
    assert running.returncode == code
    assert "run.interrupted" in ids(json.loads(output))
    assert len(processes) == 2
    assert [line for line in processes if line.split()[2].startswith("Z")] == []


def test_builds_without_a_network() -> None:
    base = f"BASE=mistle-preflight-test/{versions.image('long/python', 'trixie')}"
    image = command_image.build("command-offline", "--network=none", "--build-arg", base)
    assert docker("run", *HARDENED, image, "--version").returncode == 0
