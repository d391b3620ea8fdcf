"""The library leaves no change in the program that calls it, also after an interrupt or from several threads."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import checks
from preflight import Report, check
from tests.harness import configs, faults
from tests.harness.processes import ROOT
from tests.testbed import Authority, Engine, ObjectStore, Valkey

PATCHED = {
    "docker.transport.unixconn": ("UnixHTTPConnection.response_class", "UnixHTTPConnectionPool._new_conn"),
    "docker.utils.config": ("find_config_file",),
    "http.client": ("HTTPConnection.response_class",),
    "urllib3.connection": ("HTTPConnection.response_class", "HTTPSConnection.response_class"),
    "urllib3.poolmanager": ("pool_classes_by_scheme",),
    "ssl": ("create_default_context", "SSLContext.wrap_bio"),
    "socket": ("getaddrinfo", "socket", "create_connection"),
    "asyncio.base_events": ("BaseEventLoop.getaddrinfo",),
    "redis.asyncio.connection": ("SSLConnection.__init__", "RedisSSLContext.get"),
    "botocore.httpsession": ("URLLib3Session.send",),
}
"""What a check might patch in a package that its host uses too."""


def state() -> dict[str, Any]:
    """The state of the process that a library could change."""
    loggers = [logging.getLogger(), *map(logging.getLogger, sorted(logging.root.manager.loggerDict))]
    return {
        "threads": {thread.name for thread in threading.enumerate() if thread is not threading.current_thread()},
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "variables": dict(os.environ),
        "logging": [logging.lastResort, logging.root.manager.disable],
        "loggers": {each.name: (each.level, each.propagate, each.disabled) for each in loggers if each.handlers == []},
        "hooks": [sys.excepthook, sys.unraisablehook, threading.excepthook],
        "warnings": list(warnings.filters),
        "folder": Path.cwd(),
        "time-out": socket.getdefaulttimeout(),
        "patched": {(module, path): _attribute(module, path) for module, paths in PATCHED.items() for path in paths},
    }


def _attribute(module: str, path: str) -> object:
    found: object = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def settled(now: Callable[[], Any], before: Any) -> Any:
    """The state when nothing in it is new: a thread that has returned its result needs a moment to end, and one from
    before may have ended.
    """
    ends = time.monotonic() + 20
    while (seen := _with(before, now())) != before and time.monotonic() < ends:
        time.sleep(0.01)
    return seen


def _with(before: Any, seen: Any) -> Any:
    if isinstance(seen, set):
        return seen | before
    return seen | {"threads": seen["threads"] | before["threads"]}


def open_files() -> set[str]:
    """The target of every file descriptor."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names alone
    return {f"{link.name} {os.readlink(link)}" for link in links if link.exists()}  # noqa: PTH115


@pytest.fixture
def file(valkey: Valkey, store: ObjectStore, engine: Engine, authority: Authority, tmp_path: Path) -> Iterator[Path]:
    """A configuration with a healthy server of those kinds whose packages are patched most easily, and one that is
    refused.
    """
    for kind in checks.load_all():
        for module in kind.imports:
            import_module(module)
    with faults.refused_port() as port:
        values: dict[str, object] = {"kv.data_plane.url": valkey.url(), "object_store.assets.endpoint": store.url}
        values |= {"sandbox.docker.socket_path": str(engine.socket)}
        values |= {"postgres.data_plane.direct_url": f"postgres://u:p@127.0.0.1:{port}/d"}
        yield configs.write(tmp_path, values)


ONLY = ["valkey", "object_store", "docker", "postgres.data_plane.direct"]


def checked(file: Path, **options: object) -> Report:
    return check(file, only=ONLY, environ={}, **options)  # type: ignore[arg-type]


def test_library_restores_the_state_of_the_process(
    file: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    checked(file)  # packages may keep something from the first run on, such as an open /dev/urandom
    with authority.trusted() as path:
        before, opened = state(), open_files()
        for _ in range(3):
            checked(file, ca_file=path)
    assert settled(state, before) == before
    assert settled(open_files, opened) == opened


def test_several_threads_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    monkeypatch.setenv("AWS_PROFILE", "nonsense")
    alone = statuses(checked(file))
    before, found = state(), []
    threads = [threading.Thread(target=lambda: found.append(checked(file))) for _ in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        time.sleep(0.05 * number)  # so that they overlap in every way
    for thread in threads:
        thread.join(60)
    assert [statuses(report) for report in found] == [alone] * 4
    assert settled(state, before) == before


def statuses(report: Report) -> list[object]:
    return [(result.name, result.status) for result in report.results]


INTERRUPTED = """
import os, signal, sys, threading, time
from preflight import check
threading.Thread(target=lambda: (sys.stdin.readline(), os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
try:
    check(sys.argv[1], only=["valkey"], environ={}, timeout=30, deadline=60)
except KeyboardInterrupt:
    left = [thread for thread in threading.enumerate() if thread.name.endswith("(_run)")]
    for thread in left:
        thread.join(20)
    print("interrupted", sum(thread.is_alive() for thread in left), flush=True)
"""


def test_keyboard_interrupt_is_raised_and_ends_the_checks(tmp_path: Path) -> None:
    asked, closed = threading.Event(), threading.Event()

    def read_all(connection: socket.socket) -> None:
        while connection.recv(65536):
            asked.set()
        closed.set()

    with faults.serving(read_all) as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        host = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(file)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(30)
        output, _ = host.communicate("now\n", timeout=30)
        assert closed.wait(10)
    assert (host.returncode, output) == (0, "interrupted 0\n")


@pytest.mark.parametrize("place", ["preflight.plan.plan._is_named", "preflight.run.consistency._pair"])
def test_keyboard_interrupt_outside_the_checks_is_raised(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        with pytest.raises(KeyboardInterrupt):
            check(file, only=["valkey"], environ={})
