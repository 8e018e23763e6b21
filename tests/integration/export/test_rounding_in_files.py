"""Rounding gives the very values of the files that llama.cpp writes, in every format and for rows of any width."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy
import pytest
import torch

from stillroom.export import rounding
from stillroom.export import tensor_types as module
from stillroom.export.export import cached_base_gguf
from stillroom.export.gguf import tensor_names
from stillroom.export.gguf_file import read_gguf
from stillroom.export.quantize import quantize
from stillroom.export.rounding import rounded
from stillroom.export.tensor_types import tensor_types
from stillroom.recipe.model import QuantisedFormat

MODELS = ("wide", "narrow", "untied")


@pytest.fixture(scope="module")
def models(tiny: Path, narrow: Path, untied: Path) -> dict[str, Path]:
    return {"wide": tiny, "narrow": narrow, "untied": untied}


def stored(file: Path) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Name and fp32 values of every quantised tensor of a GGUF file, read by ggml and by gguf-py."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    content = numpy.memmap(file, numpy.uint8, "r")
    for tensor in read_gguf(file).tensors.values():
        if tensor.type == "F32":
            continue
        data = numpy.array(content[tensor.start : tensor.start + tensor.bytes]).reshape(tensor.shape[1], -1)
        by_ggml = torch.empty(tensor.shape[::-1])
        rounding._ggml().widen(rounding._number(tensor.type), data.ctypes.data, by_ggml.data_ptr(), by_ggml.numel())
        # gguf-py takes seconds for the embedding; its first rows are enough.
        yield tensor.name, by_ggml, torch.from_numpy(dequantize(data[:512], GGMLQuantizationType[tensor.type]))


def in_files_order(name: str, weight: torch.Tensor, config: Any) -> torch.Tensor:
    """A Llama's query and key rows stand in the file as llama.cpp's rotation wants them."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return weight
    return weight.reshape(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


@pytest.mark.parametrize(
    ("kind", "format"),
    [*itertools.product(("wide", "narrow"), get_args(QuantisedFormat)), ("untied", "Q4_0"), ("untied", "Q4_K_M")],
)
def test_bit_identical(models: dict[str, Path], tmp_path: Path, kind: str, format: QuantisedFormat) -> None:
    from transformers import AutoModelForCausalLM

    base = models[kind]
    quantize(cached_base_gguf(base), file := tmp_path / "out.gguf", format)
    types = tensor_types(base, format)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    name_of = tensor_names(types.architecture, model.config)
    weights = {
        f"{name_of(path.removesuffix('.weight'))}.weight": parameter.detach()
        for path, parameter in model.named_parameters()
        if parameter.dim() == 2
    }
    for name, by_ggml, by_gguf_py in stored(file):
        value = in_files_order(name, rounded(weights.pop(name), types.types[name]), model.config)
        assert torch.equal(value, by_ggml), name
        # gguf-py multiplies and adds in two roundings where the compiler makes one of them.
        torch.testing.assert_close(value[: len(by_gguf_py)], by_gguf_py, rtol=3e-7, atol=1e-9)
    assert not weights, "every matrix of the model is a rounded tensor of the file"


def test_mixtures_and_other_types_are_read_from_the_file(models: dict[str, Path]) -> None:
    wide, narrow = (set(tensor_types(models[kind], "Q4_K_M").types.values()) for kind in MODELS[:2])
    assert {("F16", "Q4_K"), ("F16", "Q6_K"), ("F32", "F32")} <= wide
    assert ("F16", "Q4_K") not in narrow, "a row of 96 has no block of 256"
    assert {last for first, last in narrow} & {"Q5_0", "Q8_0"}


def test_types_are_read_once(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = tensor_types(models["narrow"], "Q4_0")
    monkeypatch.setattr(module, "quantize", None)
    assert tensor_types(models["narrow"], "Q4_0") == first
    assert first.architecture == "llama"
    assert first.shapes["blk.0.ffn_down.weight"] == (96, 160)
