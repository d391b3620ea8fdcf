"""The servers that many tests share, each started when the first test asks for it; and which tests a run makes."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import DockerException
from filelock import FileLock
from hypothesis import Phase, settings
from xdist.scheduler import LoadScopeScheduling

from preflight.reference.catalogue import entries
from tests.harness import profiles
from tests.harness.examples import Examples
from tests.harness.figures import Figures, Section
from tests.harness.full_deployment import FullDeployment, Servers, full_deployment
from tests.harness.full_deployment import servers as servers_of_a_deployment
from tests.harness.screens import Screen
from tests.testbed import (
    Authority,
    Browser,
    Engine,
    Leaf,
    ObjectStore,
    PgBouncer,
    Postgres,
    Smtp,
    Valkey,
    browser_server,
    docker_engine,
    object_store,
    pgbouncer_server,
    postgres_replica,
    postgres_server,
    runs,
    smtp_server,
    valkey_server,
)
from tests.testbed.orphans import remove_orphans

# Nothing random decides the suite: few examples, always the same. It takes no time to make an example smaller.
FIXED = settings(
    max_examples=8, derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)
settings.register_profile("unit", FIXED)
settings.register_profile("quick", FIXED)
settings.register_profile("suite", FIXED)
settings.register_profile("long", max_examples=1_000, deadline=None, print_blob=True)
settings.register_profile("endless", max_examples=100_000, deadline=None, print_blob=True)

MANY = 300
"""Connections for all workers, and those that their poolers keep."""

_figures = Figures()
_left_out: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "which tests: quick, the suite (the default), or long, with the whole matrices as well"
    parser.addoption("--profile", choices=profiles.PROFILES, default="suite", help=about)
    about = "run the files, and the tests in each, in the order that this number gives"
    parser.addoption("--shuffle", metavar="NUMBER", type=int, help=about)
    parser.addoption("--unit-first", action="store_true", help="begin with the tests that need no server")
    about = "write what the attacks measured to this file, if all of them passed"
    parser.addoption("--reliability", metavar="FILE", type=Path, help=about)
    about = "put a real message of every finding id that has none into this file"
    parser.addoption("--examples", metavar="FILE", type=Examples, help=about)


def pytest_configure(config: pytest.Config) -> None:
    _handle_signals()
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile(config.getoption("--profile"))
    if (given := _given(config)) is None:
        runs.begin()
    else:
        runs.join(given["run"], given["workerid"])
    if examples := config.getoption("--examples"):
        examples.watch()


def _handle_signals() -> None:
    """A shell that starts the tests in the background may ignore signals; child processes would inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


class InGroups(LoadScopeScheduling):
    """Gives a whole group to a worker, in the order of the groups. pytest-xdist's own does not under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return profiles.group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InGroups:
    config.option.loadscopereorder = False
    return InGroups(config, log)


def pytest_configure_node(node: Any) -> None:
    node.workerinput["run"] = runs.current().number


def pytest_testnodedown(node: Any) -> None:
    given = getattr(node, "workeroutput", {})
    _figures.unpack(given.get("figures", []))
    _left_out.update(Counter(given.get("left_out", {})) - _left_out)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = profiles.chosen(config.getoption("--profile"), items)
    kept = set(map(id, chosen))
    left_out = [item for item in items if id(item) not in kept]
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen
    _left_out.update(item.path.name for item in left_out)
    profiles.arrange(items, config.getoption("--shuffle"), config.getoption("--unit-first"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in profiles.summary(config.getoption("--profile"), _left_out):
        terminalreporter.write_line(line)


def pytest_sessionstart(session: pytest.Session) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _given(session.config) is None:
        with suppress(DockerException):  # there may be no daemon, and the tests may need none
            remove_orphans(runs.current())


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _given(session.config) is None:
        with suppress(DockerException):
            remove_orphans(runs.current())
    else:
        session.config.workeroutput |= {"figures": _figures.packed(), "left_out": dict(_left_out)}
    if examples := session.config.getoption("--examples"):
        examples.write(set(entries()))
    if (file := session.config.getoption("--reliability")) and exitstatus == 0 and _given(session.config) is None:
        with FileLock(runs.STATE / "figures.lock"):
            _figures.write(file)


def _given(config: pytest.Config) -> dict[str, Any] | None:
    """The input of a worker of pytest-xdist; None in the main process."""
    return getattr(config, "workerinput", None)


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Section:
    """The section of docs/reliability.md for the measurements of an attack."""
    return _figures.of(request.module)


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether an attack runs at full length."""
    return bool(request.config.getoption("--profile") == "long")


@pytest.fixture(scope="session")
def run() -> runs.Run:
    return runs.current()


# Postgres, Valkey and the object store start once for all workers, and each worker has its own part of them. Postfix
# and the engine cannot be divided: each worker has its own. All stay for the next run; scripts/clean removes them.


@pytest.fixture(scope="session")
def authority(run: runs.Run) -> Authority:
    with run.lock("authority"):
        return Authority.kept(run.folder / "authority.pem")


@pytest.fixture(scope="session")
def postgres(run: runs.Run) -> Iterator[Postgres]:
    with (
        postgres_server(kept="postgres", max_connections=MANY) as server,
        server.part(f"mistle_{run.worker}") as part,
    ):
        yield part


@pytest.fixture(scope="session")
def replica(postgres: Postgres) -> Iterator[Postgres]:
    with postgres_replica(postgres, max_connections=MANY) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with pgbouncer_server(postgres.address, kept="pgbouncer") as server:
        yield replace(server, name=postgres.name)


@pytest.fixture(scope="session")
def valkey(run: runs.Run) -> Iterator[Valkey]:
    with valkey_server(kept="valkey", databases=64) as server:
        part = replace(server, database=run.worker_number)
        part.client().flushdb()
        yield part


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    with object_store(kept="store") as server:
        yield server


@pytest.fixture(scope="session")
def smtp(run: runs.Run, authority: Authority) -> Iterator[Smtp]:
    leaf = Leaf.kept(authority, run.folder / f"{run.worker}.pem")
    with smtp_server(leaf, kept=f"smtp-{run.worker}") as server:
        server.empty_queue()
        yield server


@pytest.fixture(scope="session")
def engine(run: runs.Run) -> Iterator[Engine]:
    with docker_engine(kept=f"engine-{run.worker}") as server:
        server.empty()
        yield server


@pytest.fixture(scope="session")
def servers(store: ObjectStore, smtp: Smtp, engine: Engine) -> Iterator[Servers]:
    with servers_of_a_deployment(store, smtp, engine) as all_of_them:
        yield all_of_them


@pytest.fixture(scope="module")
def deployment(
    servers: Servers, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FullDeployment]:
    with full_deployment(servers, authority.pem, tmp_path_factory.mktemp("whole")) as made:
        yield made


@pytest.fixture(scope="session")
def browser(run: runs.Run) -> Iterator[Browser]:
    with browser_server(kept=f"browser-{run.worker}") as server:
        yield server


@pytest.fixture(scope="module")
def screen(browser: Browser) -> Iterator[Screen]:
    with browser.driven() as driven:
        yield Screen(browser, driven)
