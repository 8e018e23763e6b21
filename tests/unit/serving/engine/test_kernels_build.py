"""Where our kernels cannot be had, llama.cpp's own compute, and the log says why."""

import logging
from pathlib import Path
from typing import Any

import pytest

from serving.engine import kernels as module


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that has not asked for them yet, where none are compiled; nothing is installed for good."""
    monkeypatch.setattr(module, "_known", [])
    (tmp_path / "native").mkdir()
    monkeypatch.setattr(module, "SOURCE", tmp_path / "native/kernels.cpp")
    module.SOURCE.write_text("int stillroom_install();")
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
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
    assert "no such flag" in caplog.text and list((tmp_path / "native").iterdir()) == [module.SOURCE]


def test_compiled_once_and_beside_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\necho run >> "$0.log"\nwhile [ "$1" != -o ]; do shift; done\necho library > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    path = module.build()
    assert path == module.build() and path.parent == module.SOURCE.parent and path.read_text() == "library\n"
    assert (tmp_path / "compiler.log").read_text() == "run\n"
    module.SOURCE.write_text("int stillroom_install(); // changed")
    changed = module.build()
    assert changed != path
    changed.unlink()
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    assert module.build().parent == tmp_path / "cache/kernels"


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
