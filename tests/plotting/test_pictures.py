"""docs/pictures.md: its pictures are there, and its commands are those that draw them."""

from pathlib import Path

import pytest

from scripts import pictures
from tests.source.sources import ROOT


def test_page_is_what_the_script_writes() -> None:
    assert (ROOT / "docs" / "pictures.md").read_text() == pictures.page()


def test_folder_holds_the_pictures_of_the_script_and_no_others() -> None:
    found = {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert found == {f"{picture.name}.png" for picture in pictures.PICTURES}


def test_script_draws_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "docs" / "pictures")
    assert pictures.main(["closed-window"]) == 0
    assert (tmp_path / "docs" / "pictures" / "closed-window.png").read_bytes().startswith(b"\x89PNG")


def test_name_of_no_picture_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        pictures.main(["nothing"])
    assert ended.value.code == 2
    assert "slow-start" in capsys.readouterr().err
