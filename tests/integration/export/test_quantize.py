from pathlib import Path
from typing import get_args

import numpy
import pytest

from stillroom.errors import UserError
from stillroom.export.gguf_file import read_gguf
from stillroom.export.imatrix import Importance
from stillroom.export.quantize import quantize
from stillroom.recipe.model import GgufFormat

LAYER = "blk.1.ffn_up.weight"
TYPES = {"Q5_K_M": "Q5_K", "Q4_K_M": "Q4_K"}


@pytest.mark.parametrize("format", get_args(GgufFormat))
def test_every_format_of_the_recipe(
    tiny_gguf: Path, tmp_path: Path, format: GgufFormat, capfd: pytest.CaptureFixture[str]
) -> None:
    quantize(tiny_gguf, out := tmp_path / "out.gguf", format)
    file = read_gguf(out)
    assert file.tensors[LAYER].type == TYPES.get(format, format)
    assert file.metadata["general.name"] == "tiny-mails"
    assert "tokenizer.chat_template" in file.metadata
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]
    shown = capfd.readouterr()
    assert "llama_model" not in shown.err + shown.out, "llama.cpp's log reached the terminal"


def test_two_runs_give_the_same_bytes(tiny_gguf: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        quantize(tiny_gguf, tmp_path / name, "Q4_K_M")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_damaged_source(tiny_gguf: Path, tmp_path: Path) -> None:
    (source := tmp_path / "cut.gguf").write_bytes(tiny_gguf.read_bytes()[:-1000])
    with pytest.raises(UserError, match="cut short"):
        quantize(source, tmp_path / "out.gguf", "Q8_0")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize(
    ("values", "reason"),
    [(numpy.ones(7, numpy.float32), "imatrix size"), (numpy.full(256, numpy.nan, numpy.float32), "non-finite")],
)
def test_llama_cpp_gives_the_reason(tiny_gguf: Path, tmp_path: Path, values: numpy.ndarray, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        quantize(tiny_gguf, tmp_path / "out.gguf", "Q4_0", Importance({LAYER: values}, 1, 1))
    assert not list(tmp_path.iterdir())


def test_quantised_source(tiny_gguf: Path, tmp_path: Path) -> None:
    quantize(tiny_gguf, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(UserError, match="requantizing from type q8_0 is disabled"):
        quantize(tmp_path / "q8.gguf", tmp_path / "out.gguf", "Q4_0")
