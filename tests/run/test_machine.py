"""Few file descriptors, little memory: the report names them, and they are not a bug of the tool."""

import errno
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from checks.core import machine
from tests.harness import configs, faults, profiles
from tests.harness.command import run
from tests.testbed import Engine


@contextmanager
def descriptors(free: int) -> Iterator[None]:
    """This process may open ``free`` more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_open_files_is_diagnosed() -> None:
    with descriptors(0), pytest.raises(OSError, match="open files") as raised:
        socket.socket()
    found = machine.diagnose(raised.value)
    assert found
    assert (found.cause.id, found.blames) == ("run.no-descriptors", ())


@pytest.mark.parametrize(
    ("error", "id_"),
    [
        (OSError(errno.ENFILE, "x"), "run.no-descriptors"),
        (OSError(errno.ENOMEM, "x"), "run.no-memory"),
        (MemoryError(), "run.no-memory"),
        (RuntimeError("can't start new thread"), "run.no-memory"),
    ],
    ids=str,
)
def test_error_is_diagnosed_when_a_driver_wraps_it(error: BaseException, id_: str) -> None:
    wrapped = ValueError("an error of a driver")
    wrapped.__cause__ = error
    found = machine.diagnose(wrapped)
    assert found
    assert found.cause.id == id_


def test_other_error_has_no_diagnosis() -> None:
    assert machine.diagnose(RuntimeError("can't")) is None
    assert machine.diagnose(OSError(errno.EPERM, "x")) is None


# FullDeployment runs


def limited(which: int, maximum: int) -> Callable[[], None]:
    """For preexec_fn: sets a resource limit."""
    return lambda: resource.setrlimit(which, (maximum, maximum))


def command_line(port: int, folder: Path) -> list[str]:
    """The arguments for a run of fifteen checks, most of them with the same port."""
    http, here = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    urls: dict[str, object] = {
        f"postgres.{plane}.{way}_url": f"postgres://u:p@{here}/{plane}-{way}"
        for plane in ("control_plane", "data_plane")
        for way in ("direct", "pooled")
    }
    urls |= {f"services.{name}.internal_url": f"{http}/{name}" for name in ("control_plane_api", "data_plane_gateway")}
    urls |= {"kv.data_plane.url": f"redis://{here}", "email.smtp.host": "127.0.0.1", "email.smtp.port": port}
    urls |= {"services.dashboard.public_url": http, "object_store.assets.endpoint": http}
    return ["--config", str(configs.write(folder, urls)), "-f", "json"]


def failed(document: dict[str, Any]) -> dict[str, set[str]]:
    """The failed findings of each check but the first, by its name."""
    return {
        check["name"]: {each["id"] for each in check["findings"] if each["status"] == "fail"}
        for check in document["checks"][1:]
    }


@pytest.mark.parametrize("descriptor_limit", profiles.first(1, [20, 7, 6, 8, 9, 10, 12, 16, 24, 32]))
def test_few_descriptors(descriptor_limit: int, tmp_path: Path) -> None:
    """If there are enough descriptors for one check at a time, every check runs."""
    with faults.refused_port() as port:
        ended = run(*command_line(port, tmp_path), preexec_fn=limited(resource.RLIMIT_NOFILE, descriptor_limit))
    assert (ended.code, ended.stderr) == (1, b"")
    found = failed(ended.document)
    assert all(found.values()), found
    without = [name for name, ids in found.items() if ids == {"run.no-descriptors"}]
    assert without if descriptor_limit < 8 else not without or descriptor_limit < 12, found
    assert not any("run.no-descriptors" in verdict["findings"] for verdict in ended.document["keys"])


@profiles.long
def test_check_that_waited_for_descriptors_lacked_descriptors_not_time(tmp_path: Path) -> None:
    with faults.serving(lambda connection: connection.recv(65536) and time.sleep(60)) as port:
        arguments = [*command_line(port, tmp_path), "--deadline=12", "--timeout=8"]  # more than a slow start takes
        ended = run(*arguments, preexec_fn=limited(resource.RLIMIT_NOFILE, 20))
    assert (ended.code, ended.stderr) == (1, b"")
    messages = {each["id"]: each["message"] for check in ended.document["checks"] for each in check["findings"]}
    assert "may open 20 files and connections at once" in messages["run.no-descriptors"]


KIB = profiles.first(2, [262_144, 262_143, 400_000, 300_000, 200_000, 100_000, 70_000])


@pytest.mark.parametrize("kib", KIB)
def test_little_memory(kib: int, tmp_path: Path) -> None:
    """``kib`` is as for ulimit -v. If it is too little for one check, no check runs."""
    with faults.refused_port() as port:
        ended = run(*command_line(port, tmp_path), preexec_fn=limited(resource.RLIMIT_AS, kib * 1024))
    assert (ended.code, ended.stderr) == (1, b"")
    found = failed(ended.document)
    without = [name for name, ids in found.items() if ids == {"run.no-memory"}]
    assert without == ([] if kib >= 262_144 else list(found)), found


def test_too_little_memory_for_a_report(tmp_path: Path) -> None:
    ended = run("--config", str(tmp_path / "any"), preexec_fn=limited(resource.RLIMIT_AS, 2**25))
    message = b"this process may use 32 MiB of addresses (ulimit -v); the command needs 64 MiB"
    assert (ended.code, ended.stdout, ended.stderr) == (2, b"", b"mistle-preflight: " + message + b"\n")


@pytest.mark.parametrize("descriptor_limit", profiles.first(1, [9, 10, 11, 12, 7, 8, 13, 14, 16, 20]))
def test_few_descriptors_leave_no_volume(descriptor_limit: int, engine: Engine, tmp_path: Path) -> None:
    """The connection for its removal is open before a volume is created."""
    before = engine.contents()
    file = configs.write(tmp_path, {"sandbox.docker.socket_path": str(engine.socket)})
    command = ("--config", str(file), "--only=docker", "-f", "json")
    ended = run(*command, preexec_fn=limited(resource.RLIMIT_NOFILE, descriptor_limit))
    assert (ended.code, ended.stderr) == (1, b"")
    assert engine.contents() == before
