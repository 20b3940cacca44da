"""Control sockets stand in a folder of the test's own."""

from pathlib import Path

import pytest

from stack.observation.places import DIRECTORY_VARIABLE


@pytest.fixture(autouse=True)
def control_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder; it is made when a socket is."""
    folder = tmp_path / "control"
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    return folder
