"""The Python face of the memory shapes, which the product does not need."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.extension import load


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module."""
    return load(Path(__file__).with_name("shapes.pyx"), tmp_path_factory.mktemp("shapes"))
