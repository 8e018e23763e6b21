"""What a step says of how far it is, without a progress file."""

import time

import pytest

from stillroom import progress


def test_what_was_done_before_does_not_count_as_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(progress.FILE_VARIABLE, raising=False)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bar = progress.Progress("train-sft", 380, 300)
    now[0] += 20
    bar.update(300)
    assert capsys.readouterr().err == ""
    now[0] += 20
    bar.update(310)
    assert "310/380, 280 s left" in capsys.readouterr().err
