"""Grouped attention is PyTorch's own attention."""

import pytest
import torch

from stillroom.train.attention import fits, grouped_attention


@pytest.mark.parametrize(("heads", "groups"), [(9, 3), (4, 4), (8, 1)])
def test_equals_pytorch(heads: int, groups: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, heads, 5, 16, requires_grad=True)
    key, value = torch.randn(2, groups, 9, 16), torch.randn(2, groups, 9, 16)
    seen = torch.ones(5, 9, dtype=torch.bool).tril(4)
    mask = torch.zeros(5, 9).masked_fill(~seen, torch.finfo(torch.float32).min).expand(2, 1, 5, 9)
    found, _ = grouped_attention(torch.nn.Module(), query, key, value, mask)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(found, expected.transpose(1, 2))
    (one,) = torch.autograd.grad(found.square().sum(), query, retain_graph=True)
    (other,) = torch.autograd.grad(expected.square().sum(), query)
    torch.testing.assert_close(one, other)


def test_soft_capped_scores_are_left_to_the_family() -> None:
    from transformers import AutoConfig

    assert fits(AutoConfig.for_model("llama"))
    assert not fits(AutoConfig.for_model("gemma2"))
