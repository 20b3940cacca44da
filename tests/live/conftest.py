"""What the live tests need of the machine."""

import os
import shutil
from collections.abc import Callable

import pytest

from tapdev.tap import device_path


@pytest.fixture(autouse=True)
def _device() -> None:
    """A TAP device and root, which counters of namespaces, captures and scans need."""
    path = device_path()
    if not os.access(path, os.R_OK | os.W_OK):
        pytest.skip(f"{path} is missing or forbidden to user {os.geteuid()}")
    if os.geteuid() != 0:
        pytest.skip(f"needs root, this is user {os.geteuid()}")


@pytest.fixture
def programs() -> Callable[..., None]:
    """Skips the test where one of the programs is missing; `package` is the Debian package that brings it."""

    def require(**packages: str) -> None:
        for program, package in packages.items():
            if shutil.which(program) is None:
                pytest.skip(f"the program {program} is missing: it comes with the package {package}")

    return require
