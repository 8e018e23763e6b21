"""Servers of a tiny random model: quick enough for thousands of requests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server_process import STILLROOM, Process
from soak_cases import RECIPE
from tiny_llama import lora

CELL_BYTES = 1024
"""Keys and values of one token of the tiny model."""
# A machine with little memory, for the server reads its own from there.
_SMALL = "from stillroom import machine; machine.free_memory = lambda: {bytes}\nfrom stillroom.cli import main; main()"


@pytest.fixture(scope="session")
def tiny_model(tiny_f32: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a recipe and two adapters."""
    folder = tmp_path_factory.mktemp("tiny-model")
    (folder / "model").mkdir()
    (folder / "model" / "tiny.gguf").symlink_to(tiny_f32)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "adapters").mkdir()
    for seed, name in enumerate("ab"):
        lora(folder / "adapters" / f"{name}.gguf", seed)
    return folder


@pytest.fixture(scope="module")
def serve_tiny(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts `stillroom serve` on a free port. room: tokens that its memory has room for. handles: open files that it
    may have unless it asks for more. Whatever still runs at the end is ended."""
    started: list[Process] = []

    def start(*options: str, room: int | None = None, handles: int | None = None) -> Process:
        log = tmp_path_factory.mktemp("log") / "log.jsonl"
        program = [STILLROOM]
        if room is not None:
            # Of the memory beside the weights, three fifths are for the cache.
            weights = (tiny_model / "model" / "tiny.gguf").stat().st_size
            program = [sys.executable, "-c", _SMALL.format(bytes=weights + -(-room * CELL_BYTES * 5 // 3))]
        if handles is not None:
            program = ["bash", "-c", f'ulimit -Sn {handles}; exec "$@"', "bash", *program]
        folder = tiny_model / "adapters"
        started.append(
            Process([*program, "serve", str(tiny_model), "--port", "0", "--adapter-dir", str(folder), *options], log)
        )
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(30)
