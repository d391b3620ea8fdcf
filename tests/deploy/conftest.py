"""Fixtures that the tests of several deployments share."""

import pytest

from tests.testbed import kubernetes


@pytest.fixture(scope="module")
def helm() -> None:
    """Helm and kubectl, or the test is skipped."""
    if reason := kubernetes.unavailable():
        pytest.skip(reason)
