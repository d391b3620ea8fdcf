"""Fixtures that the tests of several kinds share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed import Authority


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> Iterator[Path]:
    """The file of the tests' own certificate authority."""
    with authority.trusted() as path:
        yield Path(path)
