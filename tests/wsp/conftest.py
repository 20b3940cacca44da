"""Fixtures of the provider's tests."""

import pytest

from tests.wsp.hosts import TwoHosts, two_hosts


@pytest.fixture
def hosts() -> TwoHosts:
    """Two providers that talk to each other under virtual time."""
    return two_hosts()
