"""What is decided before the model is loaded, and what the server never imports."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.server import start
from serving.server.package import Package
from serving.server.start import Settings


@pytest.mark.parametrize(
    ("trained", "asked", "context", "warned"),
    [(2048, None, 2048, False), (131072, None, 4096, False), (0, None, 4096, False), (2048, 3000, 3000, True),
     (2048, 1000, 1000, False)],
)  # fmt: skip
def test_a_model_is_not_led_beyond_what_it_was_trained_on(
    trained: int, asked: int | None, context: int, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    metadata = {"general.architecture": "llama"} | ({"llama.context_length": trained} if trained else {})
    monkeypatch.setattr("stillroom.export.gguf.read_metadata", lambda path: metadata)
    package = Package("x", Path("x.gguf"), None, frozenset())
    assert start._context(Settings(Path("x.gguf"), context=asked), package) == context
    assert ("trained on" in caplog.text) == warned


def test_the_predictor_needs_neither_torch_nor_vllm() -> None:
    """Its image has none of them, and a second of import is a second of every new pod's start."""
    pytest.importorskip("kserve", reason="the extra `serve` is not installed")
    program = """
import sys
import serving.predictor, serving.server.app, serving.server.kserve_model, serving.server.start, serving.engine.engine
from serving.server.server import _no_arguments
with _no_arguments():
    from kserve.model_server import ModelServer, app
    from kserve.protocol.rest.server import RESTServer
heavy = ("torch", "vllm", "transformers", "ray", "datasets", "sklearn", "tensorflow")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
