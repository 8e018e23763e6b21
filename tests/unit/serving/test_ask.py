"""`stillroom ask`: what is wrong with the question is one clear line and exit status 2."""

from pathlib import Path

import pytest

from serving.cli import ask
from stillroom.errors import UserError


def asked(*arguments: str) -> None:
    ask.main(list(arguments), standalone_mode=False)


def test_no_run_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="There is no run below runs"):
        asked("Hello")


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a run"):
        asked("Hello", "--run", str(tmp_path))


def test_two_texts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not both"):
        asked("Hello", "--file", str(tmp_path / "mail.txt"))
