"""Tree attention is PyTorch's own attention under the mask of the tree."""

import pytest
import torch

from stillroom.train.attention import tree_attention
from stillroom.train.prefix import Tree, find_tree


def mask_of(tree: Tree, window: int | None) -> torch.Tensor:
    """(tokens, tokens): which token sees which, by the rows."""
    seen = torch.zeros(len(tree.tokens), len(tree.tokens), dtype=torch.bool)
    for parts in tree.rows:
        places = torch.cat([torch.arange(part.start, part.stop) for part in parts])
        for at, place in enumerate(places):
            seen[place, places[max(0, at + 1 - (window or at + 1)) : at + 1]] = True
    return seen


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize(("heads", "groups"), [(9, 3), (4, 4), (8, 1)])
def test_equals_pytorch(heads: int, groups: int, window: int | None) -> None:
    torch.manual_seed(0)
    prefix = list(range(20))
    tree = find_tree(
        [[*prefix, 30, 31, 32], [*prefix, 40], [*prefix, *range(50, 70), 80], [*prefix, *range(50, 70), 81]]
    )
    assert len(tree.nodes) == 6
    tokens = len(tree.tokens)
    query = torch.randn(1, heads, tokens, 16, requires_grad=True)
    key, value = (torch.randn(1, groups, tokens, 16, requires_grad=True) for _ in range(2))
    found, _ = tree_attention(torch.nn.Module(), query, key, value, None, sliding_window=window, tree=tree)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask_of(tree, window), enable_gqa=True
    )
    torch.testing.assert_close(found, expected.transpose(1, 2))
    slopes = torch.autograd.grad(found.square().sum(), (query, key, value))
    for one, other in zip(slopes, torch.autograd.grad(expected.square().sum(), (query, key, value)), strict=True):
        torch.testing.assert_close(one, other)


def test_dropout_draws_and_keeps_the_scale() -> None:
    torch.manual_seed(0)
    tree = find_tree([list(range(50))])
    query, key, value = torch.randn(1, 4, 50, 16), torch.randn(1, 2, 50, 16), torch.ones(1, 2, 50, 16)
    module = torch.nn.Module().train()
    dropped, _ = tree_attention(module, query, key, value, None, dropout=0.5, tree=tree)
    assert dropped.std() > 0.01
    assert abs(dropped.mean() - 1) < 0.1
    kept, _ = tree_attention(module.eval(), query, key, value, None, dropout=0.5, tree=tree)
    torch.testing.assert_close(kept, torch.ones_like(kept))
