"""Where our kernels cannot be had, llama.cpp's own compute, and the log says why."""

import logging
from pathlib import Path
from typing import Any

import pytest

from serving.engine import kernels as module


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that has not asked for them yet, with an empty cache; nothing is installed for good."""
    monkeypatch.setattr(module, "_known", [])
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path))
    monkeypatch.delenv(module.SWITCH, raising=False)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    assert module.kernels() is None and module.kernels() is None
    assert [record.getMessage() for record in caplog.records if "C++ compiler" in record.getMessage()] != []
    assert len(caplog.records) == 1


def test_a_compiler_that_fails_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such flag >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert module.kernels() is None
    assert "no such flag" in caplog.text and list((tmp_path / "kernels").iterdir()) == []


def test_switched_off(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(module.SWITCH, "off")
    assert module.kernels() is None and not caplog.records


@pytest.mark.parametrize("code", [1, 2])
def test_refused_by_the_library(code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Library:
        def __init__(self, path: str) -> None: ...

        def stillroom_install(self) -> int:
            return code

    library: Any = Library
    monkeypatch.setattr(module.ctypes, "CDLL", library)
    monkeypatch.setattr(module, "build", lambda: Path("kernels.so"))
    with caplog.at_level(logging.INFO):
        assert module.kernels() is None
    assert module._REFUSED[code] in caplog.text
