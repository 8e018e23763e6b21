"""Servers as a user starts them, on the packaged model with a small recipe beside it."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server_process import STILLROOM, Process

from stillroom.models.base import packaged_gguf

RECIPE = """\
name: mails
instruction: What is this e-mail about?
output_schema:
  type: object
  properties:
    category: {enum: [event, spam, other]}
    title: {type: string, maxLength: 20}
  required: [category, title]
  additionalProperties: false
data:
  sources: [{kind: csv, path: mails.csv}]
serve: {context_tokens: 1024, max_answer_tokens: 40}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory. Its weights are brought to 16 bit: with Q4_1 llama.cpp rounds activations so that logits move
    by up to 0.7 from one batch shape to another, and the answers of a model that was not tuned move with them."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="the extra `serve` is not installed")
    folder = tmp_path_factory.mktemp("model")
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.allow_requantize = llama_cpp.LLAMA_FTYPE_MOSTLY_F16, True
    paths = str(packaged_gguf()).encode(), str(folder / "mails-F16.gguf").encode()
    assert llama_cpp.llama_model_quantize(*paths, ctypes.byref(options)) == 0
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def serve(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts `stillroom serve` on a free port; whatever still runs at the end is ended."""
    started: list[Process] = []

    def start(*options: str) -> Process:
        log = tmp_path_factory.mktemp("log") / "log.jsonl"
        started.append(Process([STILLROOM, "serve", str(model), "--port", "0", *options], log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(30)
