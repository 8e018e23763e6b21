import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.export import converter
from stillroom.files import sha256


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with the layout of the real one."""
    root = "llama_cpp_python-0.3.36/"
    names = ["setup.py", "vendor/llama.cpp/convert_hf_to_gguf.py", "vendor/llama.cpp/conversion/base.py"]
    names += ["vendor/llama.cpp/gguf-py/gguf/__init__.py", "vendor/llama.cpp/src/llama.cpp"]
    path = tmp_path / "source.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(root + name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    monkeypatch.setattr(converter, "ARCHIVE_SHA256", sha256(path))
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STILLROOM_LLAMA_CPP_SDIST", str(path))
    return path


def test_only_the_converter_is_unpacked(fake: Path) -> None:
    script = converter.converter_script()
    files = {str(path.relative_to(script.parent)) for path in script.parent.rglob("*") if path.is_file()}
    assert files == {"convert_hf_to_gguf.py", "conversion/base.py", "gguf-py/gguf/__init__.py"}
    fake.unlink()
    assert converter.converter_script() == script, "a second call needs no archive"


def test_wrong_sha256(fake: Path) -> None:
    fake.write_bytes(fake.read_bytes() + b"x")
    with pytest.raises(UserError, match="its sha256 is"):
        converter.converter_script()
    assert not list((fake.parent / "cache").rglob("*.py"))


def test_named_archive_is_missing(fake: Path) -> None:
    fake.unlink()
    with pytest.raises(UserError, match="STILLROOM_LLAMA_CPP_SDIST names"):
        converter.converter_script()


def test_archive_in_the_cache_is_used(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STILLROOM_LLAMA_CPP_SDIST")
    cache = fake.parent / "cache"
    cache.mkdir()
    fake.rename(cache / converter.ARCHIVE)
    assert converter.converter_script().exists()


def test_no_network(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STILLROOM_LLAMA_CPP_SDIST")

    def refused(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", refused)
    with pytest.raises(UserError, match=r"No matching distribution found[^$]*STILLROOM_LLAMA_CPP_SDIST"):
        converter.converter_script()


def test_other_version_installed(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter.metadata, "version", lambda name: "0.0.1")
    with pytest.raises(UserError, match=r"llama-cpp-python 0\.0\.1 is installed"):
        converter.converter_script()
