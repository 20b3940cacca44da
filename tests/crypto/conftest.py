"""The Python face of the core's digests, which the product does not need."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.extension import load


@pytest.fixture(scope="session")
def digests(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module."""
    return load(Path(__file__).with_name("digests.pyx"), tmp_path_factory.mktemp("digests"))
