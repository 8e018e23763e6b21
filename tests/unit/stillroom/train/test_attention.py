"""Grouped attention is PyTorch's own attention."""

import pytest
import torch

from stillroom.train.attention import fits, grouped_attention


@pytest.mark.parametrize(("heads", "groups"), [(9, 3), (4, 4), (8, 1)])
def test_equals_pytorch(heads: int, groups: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, heads, 5, 16, requires_grad=True)
    key, value = (torch.randn(2, groups, 9, 16, requires_grad=True) for _ in range(2))
    seen = torch.ones(5, 9, dtype=torch.bool).tril(4)
    mask = torch.zeros(5, 9).masked_fill(~seen, torch.finfo(torch.float32).min).expand(2, 1, 5, 9)
    found, _ = grouped_attention(torch.nn.Module(), query, key, value, mask)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(found, expected.transpose(1, 2))
    slopes = torch.autograd.grad(found.square().sum(), (query, key, value))
    for one, other in zip(slopes, torch.autograd.grad(expected.square().sum(), (query, key, value)), strict=True):
        torch.testing.assert_close(one, other)


def test_dropout_draws_and_keeps_the_scale() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 4, 50, 16), torch.randn(2, 2, 50, 16), torch.ones(2, 2, 50, 16)
    module = torch.nn.Module().train()
    dropped, _ = grouped_attention(module, query, key, value, None, dropout=0.5)
    assert dropped.std() > 0.01
    assert abs(dropped.mean() - 1) < 0.05
    kept, _ = grouped_attention(module.eval(), query, key, value, None, dropout=0.5)
    torch.testing.assert_close(kept, torch.ones_like(kept))


def test_soft_capped_scores_are_left_to_the_family() -> None:
    from transformers import AutoConfig

    assert fits(AutoConfig.for_model("llama"))
    assert not fits(AutoConfig.for_model("gemma2"))
