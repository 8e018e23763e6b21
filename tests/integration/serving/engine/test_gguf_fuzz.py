"""Model files gone wrong, opened as the server opens them: each is served or refused in a sentence.

GGUF_MUTANTS sets how many are opened; those that a look at the header refuses are counted, and cost nothing.
"""

import json
import os
import random
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from gguf_mutants import Header, byte_llama, byte_lora, mutated

from stillroom.errors import UserError
from stillroom.export.gguf import check_gguf

MUTANTS = int(os.environ.get("GGUF_MUTANTS", "8"))
SEED = int(os.environ.get("GGUF_SEED", "0"))
SECONDS = 120


class Opener:
    """The process that opens them, begun again where one took it down."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def open(self, *files: Path) -> tuple[str, str]:
        """What became of a model, or of a model's adapter; `died` and `hung` are the opener's own end."""
        process = self._process = self._process or subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[3] / "model_opener.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log.open("w"), text=True,
        )  # fmt: skip
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([str(file) for file in files]) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS)[0]:
            self.close()
            return "hung", f"nothing within {SECONDS} s"
        line = process.stdout.readline()
        if line:
            kind, message = json.loads(line)
            return kind, message
        code, self._process = process.wait(), None
        return "died", f"exit status {code}: {self._log.read_text(errors='replace')[-2000:]}"

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    opener = Opener(tmp_path_factory.mktemp("opener") / "log")
    yield opener
    opener.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_llama(tmp_path_factory.mktemp("bytes") / "bytes.gguf")


@pytest.fixture(scope="module")
def adapter(sound: Path) -> Path:
    return byte_lora(sound.with_name("adapter.gguf"))


def test_sound_files_are_served(opener: Opener, sound: Path, adapter: Path) -> None:
    for file in (sound, adapter):
        assert Header.of(file.read_bytes()).bytes() == file.read_bytes()
    assert opener.open(sound) == ("served", "")
    assert opener.open(sound, adapter) == ("served", "")


def test_mutant_models_are_served_or_refused(opener: Opener, sound: Path, tmp_path: Path) -> None:
    """The process that opens them lives on, and nobody is shown a traceback."""
    _try(sound.read_bytes(), tmp_path / "mutant.gguf", MUTANTS, opener.open)


def test_mutant_adapters_are_served_or_refused(opener: Opener, sound: Path, adapter: Path, tmp_path: Path) -> None:
    """A server that has clients is asked to load them."""
    _try(adapter.read_bytes(), tmp_path / "mutant.gguf", MUTANTS, lambda path: opener.open(sound, path))


def _try(raw: bytes, path: Path, count: int, open: Callable[[Path], tuple[str, str]]) -> None:
    kinds, wrong, number = Counter[str](), list[str](), SEED
    while kinds.total() - kinds["refused by the header"] < count:
        number += 1
        path.write_bytes(mutated(raw, random.Random(number)))
        try:
            check_gguf(path, load=False)
        except UserError as error:
            kinds["refused by the header"] += 1
            assert str(path) in str(error)
            continue
        kind, message = open(path)
        kinds[kind] += 1
        if kind not in ("served", "told", "refused") or (kind == "refused" and not message.strip()):
            wrong.append(f"mutant {number}: {kind}: {message}")
            print(wrong[-1], flush=True)
    print(f"{kinds.total()} mutants: {dict(kinds)}")
    assert not wrong, "\n\n".join(wrong)
