"""Fused layers give what the layers themselves give, values and gradients."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stillroom.train.fused_layers import ROWS, GatedLoraProduct, GatedSilu, LoraProduct, RootMeanSquareNorm, fuse


def same(found: torch.Tensor, expected: torch.Tensor, *inputs: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    slope = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=expected.dtype)
    ones = torch.autograd.grad(found, inputs, slope)
    for one, other in zip(ones, torch.autograd.grad(expected, inputs, slope, retain_graph=True), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def through(function: Any, *inputs: Any) -> torch.Tensor:
    """What a function gives, computed again for the backward pass as gradient checkpointing does it."""
    result: torch.Tensor = checkpoint(function.apply, *inputs, use_reentrant=False)
    return result


def drawn(*shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    return torch.randn(shape, requires_grad=True, dtype=dtype)


@pytest.mark.parametrize("rows", [1, ROWS - 1, 2 * ROWS + 3])
@pytest.mark.parametrize("from_one", [False, True])
def test_norm(rows: int, from_one: bool) -> None:
    x, weight = drawn(1, rows, 24), torch.randn(24)
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)
    expected = normed * (weight + 1 if from_one else weight)
    same(RootMeanSquareNorm.apply(x, weight, 1e-5, from_one), expected, x)
    same(through(RootMeanSquareNorm, x, weight, 1e-5, from_one), expected, x)


@pytest.mark.parametrize("rows", [1, ROWS - 1, 2 * ROWS + 3])
def test_gated_silu(rows: int) -> None:
    gate, up = drawn(2, rows, 12), drawn(2, rows, 12)
    expected = nn.functional.silu(gate) * up
    same(GatedSilu.apply(gate, up), expected, gate, up)
    same(through(GatedSilu, gate, up), expected, gate, up)


@pytest.mark.parametrize("biased", [False, True])
def test_adapter(biased: bool) -> None:
    x, a, b = drawn(2, 7, 12), drawn(3, 12), drawn(10, 3)
    weight, bias = torch.randn(10, 12), torch.randn(10) if biased else None
    expected = nn.functional.linear(x, weight, bias) + x @ a.T @ b.T * 0.7
    same(LoraProduct.apply(x, weight, bias, a, b, 0.7), expected, x, a, b)
    same(through(LoraProduct, x, weight, bias, a, b, 0.7), expected, x, a, b)


@pytest.mark.parametrize("rows", [1, ROWS - 1, 2 * ROWS + 3])
@pytest.mark.parametrize("biased", [False, True])
def test_an_adapter_behind_a_gate(rows: int, biased: bool) -> None:
    # Sums over thousands of rows, whose order is another: in fp32 they would part in the fourth digit.
    exact = partial(drawn, dtype=torch.float64)
    gate, up, a, b = exact(2, rows, 12), exact(2, rows, 12), exact(3, 12), exact(10, 3)
    weight, bias = exact(10, 12).detach(), exact(10).detach() if biased else None
    gated = nn.functional.silu(gate) * up
    expected = nn.functional.linear(gated, weight, bias) + gated @ a.T @ b.T * 0.7
    given = (gate, up, weight, bias, a, b, 0.7)
    same(GatedLoraProduct.apply(*given), expected, gate, up, a, b)
    same(through(GatedLoraProduct, *given), expected, gate, up, a, b)


@pytest.mark.parametrize("layer", ["norm", "gated", "adapter", "adapter behind a gate"])
def test_a_model_may_write_into_what_a_layer_returns(layer: str) -> None:
    torch.manual_seed(0)
    x, a, b = drawn(2, 3, 12), drawn(3, 12), drawn(12, 3)
    weight = torch.randn(12, 12)
    found, expected = {
        "norm": (
            RootMeanSquareNorm.apply(x, weight[0], 1e-5, False),
            x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight[0],
        ),
        "gated": (GatedSilu.apply(x, x + 1), nn.functional.silu(x) * (x + 1)),
        "adapter": (LoraProduct.apply(x, weight, None, a, b, 0.7), x @ weight.T + x @ a.T @ b.T * 0.7),
        "adapter behind a gate": (
            GatedLoraProduct.apply(x, x + 1, weight, None, a, b, 0.7),
            (nn.functional.silu(x) * (x + 1)) @ (weight.T + a.T @ b.T * 0.7),
        ),
    }[layer]
    found += 1
    same(found, expected + 1, x)


def adapted(**options: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = get_peft_model(nn.Sequential(nn.Linear(12, 10)), LoraConfig(r=3, target_modules=["0"], **options))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight)
    return model


def outputs(model: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """With the adapter, without it, and with a second one that was added and chosen."""
    on = model(x)
    with model.disable_adapter():
        off = model(x)
    return on, off, on - off


def test_an_adapter_that_is_switched_off_is_off() -> None:
    model, x = adapted(), drawn(4, 12)
    expected = outputs(model, x)
    fuse(model)
    assert "forward" in vars(model.base_model.model[0])
    for one, other in zip(outputs(model, x), expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_dropout": 0.1}, {"lora_bias": True}])
def test_what_is_more_than_two_products_is_left_alone(options: dict[str, Any]) -> None:
    model = adapted(**options)
    fuse(model)
    assert "forward" not in vars(model.base_model.model[0])


def test_a_second_adapter_and_a_merged_one() -> None:
    from peft import LoraConfig

    model, x = adapted(), drawn(4, 12)
    model.add_adapter("other", LoraConfig(r=2, target_modules=["0"], init_lora_weights=False))
    model.base_model.set_adapter(["default", "other"])
    expected = model(x)
    fuse(model)
    torch.testing.assert_close(model(x), expected)
    model.merge_adapter()
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


def test_a_norm_that_only_has_the_name_is_left_alone() -> None:
    class OddRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.ones(12), requires_grad=False), 1e-6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / x.abs().amax(-1, keepdim=True) * self.weight

    norm = OddRMSNorm()
    fuse(norm)
    assert "forward" not in vars(norm)


def test_a_trained_norm_and_other_activations_are_left_alone() -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm

    norm = LlamaRMSNorm(12)
    fuse(norm)
    assert "forward" not in vars(norm), "its weight has a gradient"
    sizes = {"hidden_size": 12, "intermediate_size": 16, "mlp_bias": False}
    for activation, expected in (("silu", True), ("gelu", False)):
        mlp = LlamaMLP(SimpleNamespace(**sizes, hidden_act=activation))
        undo = fuse(mlp)
        assert ("forward" in vars(mlp)) is expected
        undo()
        assert "forward" not in vars(mlp)
