"""The servers that a scene may use."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.incidents.bench import Bench
from tests.testbed import Authority, Postgres, Valkey


@pytest.fixture
def bench(postgres: Postgres, valkey: Valkey, authority: Authority) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(postgres, valkey, authority, stack)
