"""Fixtures that several attacks share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import in_process
from tests.harness.in_process import Stage
from tests.testbed import Authority


@pytest.fixture(scope="module")
def roots(authority: Authority) -> Iterator[Path]:
    """The file of the tests' own certificate authority."""
    with authority.trusted() as path:
        yield Path(path)


@pytest.fixture(scope="module")
def stage(authority: Authority) -> Iterator[Stage]:
    with in_process.stage(authority) as here:
        yield here
