"""The servers that many tests share, each started once, when the first test asks for it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from examples import Examples
from figures import Figures, Section
from preflight.catalogue import entries
from screens import Screen
from testbed import (
    Authority,
    Browser,
    Engine,
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
    smtp_server,
    valkey_server,
)
from testbed.orphans import remove_orphans
from whole import Servers
from whole import servers as servers_of_a_deployment

settings.register_profile("long", max_examples=20_000)

_figures = Figures()


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "write what the attacks measured to this file, if all of them passed"
    parser.addoption("--reliability", metavar="FILE", type=Path, help=about)
    about = "put a real message of every finding id that has none into this file"
    parser.addoption("--examples", metavar="FILE", type=Examples, help=about)


def pytest_configure(config: pytest.Config) -> None:
    if examples := config.getoption("--examples"):
        examples.watch()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if examples := session.config.getoption("--examples"):
        examples.write(set(entries()))
    if (file := session.config.getoption("--reliability")) and exitstatus == 0:
        _figures.write(file)


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Section:
    """Where an attack puts what it measured, for docs/reliability.md."""
    return _figures.setdefault(request.module, Section())


@pytest.fixture(scope="session", autouse=True)
def no_containers_stay() -> Iterator[None]:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_orphans()
    yield
    remove_orphans()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def replica(postgres: Postgres) -> Iterator[Postgres]:
    with postgres_replica(postgres) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with pgbouncer_server(postgres.address) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with valkey_server() as server:
        yield server


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    with object_store() as server:
        yield server


@pytest.fixture(scope="session")
def smtp(authority: Authority) -> Iterator[Smtp]:
    with smtp_server(authority.leaf()) as server:
        yield server


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with docker_engine() as server:
        yield server


@pytest.fixture(scope="session")
def servers(store: ObjectStore, smtp: Smtp, engine: Engine) -> Iterator[Servers]:
    with servers_of_a_deployment(store, smtp, engine) as all_of_them:
        yield all_of_them


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browser_server() as server:
        yield server


@pytest.fixture(scope="module")
def screen(browser: Browser) -> Iterator[Screen]:
    with browser.driven() as driven:
        yield Screen(browser, driven)
