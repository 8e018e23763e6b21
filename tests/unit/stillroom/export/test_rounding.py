"""What ggml makes of a weight: gguf-py's quantisers agree, and neither threads, order nor dtype change it."""

import numpy
import pytest
import torch

from stillroom.export import rounding
from stillroom.export.rounding import CHUNK, rounded

QUANTISED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL")


def weight(rows: int, columns: int) -> torch.Tensor:
    torch.manual_seed(0)
    made = torch.randn(rows, columns) * torch.logspace(-3, 1, rows)[:, None]
    made[0] = 0
    return made


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_equals_gguf_pys_quantisers(kind: str) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    number = GGMLQuantizationType[kind]
    if kind == "F16":
        expected = weight(40, 96).numpy().astype(numpy.float16).astype(numpy.float32)
    else:
        expected = dequantize(quantize(weight(40, 96).numpy(), number), number)
    numpy.testing.assert_array_equal(rounded(weight(40, 96), (kind,)).numpy(), expected)


@pytest.mark.parametrize("kind", QUANTISED)
def test_threads_and_order_of_rows_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = weight(5 * CHUNK // 256 + 3, 256)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(rounding, "cpu_threads", lambda threads=threads: threads)
        rounding._pool.cache_clear()
        found.append(rounded(values, ("F16", kind)))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    order = torch.randperm(len(values))
    assert torch.equal(rounded(values[order], ("F16", kind)), found[0][order])
    assert not torch.equal(found[0], values.half().float())


@pytest.mark.parametrize("kind", QUANTISED)
def test_values_that_are_no_numbers_end_nothing(kind: str) -> None:
    values = weight(4, 256)
    values[1, 3], values[2, 7], values[3, 9] = float("nan"), float("inf"), -float("inf")
    before = values.clone()
    found = rounded(values, ("F16", kind))
    assert torch.equal(found[0], torch.zeros(256))
    torch.testing.assert_close(values, before, equal_nan=True, rtol=0, atol=0)


def test_both_roundings_count() -> None:
    """There are weights for which it matters that the file is made from 16 bit."""
    values = weight(400, 96)
    found = rounded(values, ("F16", "Q4_0"))
    assert torch.equal(found, rounded(values.half().float(), ("Q4_0",)))
    assert not torch.equal(found, rounded(values, ("Q4_0",)))
    assert torch.equal(rounded(values, ("BF16", "Q8_0")), rounded(values.bfloat16().float(), ("Q8_0",)))


@pytest.mark.parametrize("types", [("F16", "Q4_0"), ("F16", "Q6_K"), ("F16", "F16"), ("F32", "F32")])
def test_out(types: tuple[str, ...]) -> None:
    values = weight(300, 512)
    expected = rounded(values, types)
    narrow = torch.empty(values.shape, dtype=torch.bfloat16)
    assert rounded(values, types, out=narrow) is narrow
    assert torch.equal(narrow, expected.bfloat16())
    assert rounded(values, types, out=values) is values
    assert torch.equal(values, expected)


def test_rows_that_do_not_divide_into_blocks() -> None:
    with pytest.raises(ValueError, match="Q4_K has blocks of 256 weights, and a row of 576"):
        rounded(weight(2, 576), ("F16", "Q4_K"))


def test_only_contiguous_fp32() -> None:
    with pytest.raises(ValueError, match="contiguous fp32"):
        rounded(weight(2, 32).double(), ("Q4_0",))
    with pytest.raises(ValueError, match="contiguous"):
        rounded(weight(2, 32), ("Q4_0",), out=torch.empty(32, 2).T)
