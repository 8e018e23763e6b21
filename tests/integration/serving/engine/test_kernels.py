"""Our own kernels give llama.cpp's logits, whatever shares the batch and wherever in the cache it lies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_llama

from serving.engine.kernels import FORMATS as OURS
from serving.engine.kernels import kernels
from serving.engine.llama import Entry, Llama
from stillroom.export.gguf import convert
from stillroom.export.quantize import quantize

needed = pytest.mark.skipif(kernels() is None, reason="no C++ compiler, or no AVX-512 VNNI")
WIDE = "F32, heads of 128"
FORMATS = ("F32", WIDE, "F16", "Q8_0", "Q4_0", "Q4_K_M")
# Attention here is in 32 bit, llama.cpp's partly in 16, and that moves a rounded activation now and then. llama.cpp
# differs as much from itself with and without its flash kernel; a wrong block moves logits by their own size.
NOISE = {"F32": 0.01, WIDE: 0.01, "F16": 0.01, "Q8_0": 0.05, "Q4_0": 0.05, "Q4_K_M": 0.05}
"""Mean difference of the logits, as a share of their standard deviation."""


@pytest.fixture(scope="module", params=FORMATS)
def pair(request: Any, tiny_f32: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Llama, Llama]]:
    """One model twice: computed by llama.cpp alone, and with our kernels."""
    path = tiny_f32
    if request.param != "F32":
        path = tmp_path_factory.mktemp("kernels") / "tiny.gguf"
    if request.param == WIDE:
        sizes = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 2, "num_key_value_heads": 1}
        convert(tiny_llama.llama(path.with_name("wide"), **sizes), path, "F32", "tiny")
    elif request.param != "F32":
        quantize(tiny_f32, path, request.param)
    plain, fast = Llama(path, sequences=6, cells=2048), Llama(path, sequences=6, cells=2048, fast=True)
    yield request.param, plain, fast
    plain.close()
    fast.close()


def logits(llama: Llama, entries: list[Entry]) -> Any:
    llama.decode(entries)
    return llama.all_logits(sum(entry.logits for entry in entries)).copy()


def batches(draw: np.random.Generator) -> Iterator[list[Entry]]:
    """Prompts behind a shared prefix, in parts and together, and answers of several sequences beside them."""
    length: dict[int, int] = {}

    def feed(sequence: int, count: int, wanted: int) -> list[Entry]:
        start = length.get(sequence, 0)
        length[sequence] = start + count
        return [
            Entry(int(token), start + i, sequence, i >= count - wanted)
            for i, token in enumerate(draw.integers(3, 49000, count))
        ]

    yield feed(0, 150, 1)
    length.update({1: 150, 2: 150, 3: 150})
    yield feed(1, 1, 1)
    yield feed(1, 67, 3) + feed(2, 5, 5)
    yield feed(1, 1, 1) + feed(2, 1, 1) + feed(3, 130, 1)
    for count in (1, 2, 3, 4, 5, 33):
        yield [entry for sequence in (1, 2, 3) for entry in feed(sequence, count, count)]
    yield feed(4, 300, 2) + feed(1, 1, 1)
    # Answers that grow together, so that one's cells lie between those of the others; two share another prefix.
    length[5] = 150
    for count in (1, 2) * 8:
        yield [entry for sequence in (5, 1, 2, 3, 4) for entry in feed(sequence, count, 1)]


@needed
def test_the_logits_are_llama_cpps(pair: tuple[str, Llama, Llama]) -> None:
    format, plain, fast = pair
    for llama in (plain, fast):
        for sequence in range(6):
            llama.cut_sequence(sequence, 0)
    for number, entries in enumerate(batches(np.random.default_rng(0))):
        expected, found = logits(plain, entries), logits(fast, entries)
        assert np.abs(found - expected).mean() < NOISE[format] * expected.std(), number
        if number == 0:
            for llama in (plain, fast):
                for sequence in (1, 2, 3):
                    llama.copy_sequence(0, sequence, 150)
        elif len(entries) == 301:
            for llama in (plain, fast):
                llama.copy_sequence(4, 5, 150)


@needed
def test_alone_and_in_any_batch_it_is_the_same(pair: tuple[str, Llama, Llama]) -> None:
    """Sums are taken in one order, so near ties fall the same way whoever shares the batch."""
    format, _, fast = pair
    if format not in OURS:
        pytest.skip("products with these weights are llama.cpp's own")
    for sequence in range(6):
        fast.cut_sequence(sequence, 0)
    text = [int(token) for token in np.random.default_rng(1).integers(3, 49000, 90)]
    whole = logits(fast, [Entry(token, i, 0, True) for i, token in enumerate(text)])
    fast.cut_sequence(0, 0)
    alone = np.concatenate([logits(fast, [Entry(token, i, 0, True)]) for i, token in enumerate(text)])
    assert np.abs(whole - alone).max() < 1e-4 * np.abs(whole).max()


@needed
def test_another_model_in_the_same_place_is_another_model(tiny: Path, untied: Path, tmp_path: Path) -> None:
    """A file may be loaded where a closed one lay: what was taken in for that one must be gone."""
    first = tmp_path / "first.gguf"
    convert(untied, tmp_path / "untied.gguf", "F32", "untied")
    quantize(tmp_path / "untied.gguf", first, "Q8_0")
    raw = bytearray(first.read_bytes())
    entries = [Entry(token, i, 0, i == 4) for i, token in enumerate((5, 6, 7, 8, 9))]

    def computed(path: Path, fast: bool) -> Any:
        llama = Llama(path, sequences=1, cells=256, fast=fast)
        found = logits(llama, entries)
        llama.close()
        return found

    before = computed(first, True)
    raw[-30_000:-20_000] = bytes(10_000)  # codes and scales of the last tensor
    second = tmp_path / "second.gguf"
    second.write_bytes(raw)
    after, expected = computed(second, True), computed(second, False)
    assert np.abs(after - expected).mean() < 0.05 * expected.std() < np.abs(after - before).max()
