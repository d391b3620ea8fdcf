"""Repeated runs in one process.

A program that runs the checks for as long as it lives must stay as it was: no connection, file or thread stays open,
and a run releases the memory that it takes.
"""

import threading
from pathlib import Path

import pytest

from preflight import check
from tests.harness import configs, profiles
from tests.harness.figures import Section
from tests.harness.store_faults import bucket
from tests.testbed import ObjectStore, PgBouncer, Postgres, Smtp, Valkey
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

pytestmark = profiles.long
WARM, RUNS = 20, 300
MOST = 16.0  # MiB by which the process may grow: caches, and memory that the allocator keeps


@pytest.fixture
def file(
    postgres: Postgres, pgbouncer: PgBouncer, valkey: Valkey, store: ObjectStore, smtp: Smtp, tmp_path: Path
) -> Path:
    planes = ("control_plane", "data_plane")
    values: dict[str, object] = {f"postgres.{plane}.direct_url": postgres.url() for plane in planes}
    values |= {f"postgres.{plane}.pooled_url": pgbouncer.url() for plane in planes} | bucket(store.url)
    login = {"username": USER, "password": PASSWORD, "from_address": ADDRESS}
    address = {"host": "127.0.0.1", "port": smtp.ports["starttls"], "secure": False}
    values |= {f"email.smtp.{name}": value for name, value in (login | address).items()}
    return configs.write(tmp_path, values | {"kv.data_plane.url": valkey.url()})


def test_many_runs_leak_no_memory_thread_or_descriptor(file: Path, figures: Section) -> None:
    only = ["postgres", "valkey", "object_store", "smtp"]
    for _ in range(WARM):
        check(file, environ={}, only=only)
    before = usage()
    for _ in range(RUNS):
        check(file, environ={}, only=only)
    files, threads, memory = (after - was for after, was in zip(usage(), before, strict=True))
    figures.add("runs in one process", RUNS)
    figures.add("files and connections that stayed open", int(files))
    figures.add("threads that stayed", int(threads))
    figures.add("memory that the process grew by", f"{memory:.1f} MiB")
    assert max(files, threads) <= 0
    assert memory < MOST


def usage() -> tuple[float, float, float]:
    """Open files, threads, and MiB of memory."""
    files = len(list(Path("/proc/self/fd").iterdir()))
    status = Path("/proc/self/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return files, threading.active_count(), memory / 1024
