"""The prefix-shared forward: tokens that rows of a batch have in common are computed once.

A batch is seen as a tree: the prefix of all rows is its root, what groups of rows share beyond that (a DPO pair shares
its prompt) is the second level, the rows' own tokens are the leaves. Each node runs through the backbone once, on top
of the keys and values of its parent, which keep their gradients. So loss and gradients are those of the plain
forward, up to float rounding. Dropout on a shared node is one draw for all rows below it.

Works for decoders whose attention sees the whole context through a plain cache; others fall back to the plain forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

MIN_SHARED = 16
"""A node shorter than this costs more in extra kernel launches than it saves."""


@dataclass
class Tree:
    """How the rows of a batch share their tokens.

    root: number of tokens that all rows begin with. groups: row numbers that share a longer prefix; `shared[g]` is its
    length beyond the root. Every row is in exactly one group, and keeps at least one token of its own.
    """

    root: int
    groups: list[list[int]] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)


@dataclass
class TokenCount:
    """Tokens that went through the backbone, against those of a plain forward over the same rows (no padding)."""

    computed: int = 0
    plain: int = 0


def find_tree(rows: Sequence[list[int]]) -> Tree:
    """Find the common prefix of all rows, and the pairs and larger groups that share more.

    rows: token ids without padding. A second level is made only where it saves at least MIN_SHARED tokens a row.
    """
    shortest = min(len(row) for row in rows)
    first, last = min(rows), max(rows)  # in lexicographic order these two differ earliest
    root = min(_common(first, last), shortest - 1)
    if len(rows) == 1 or root < MIN_SHARED:
        root = 0
    order = sorted(range(len(rows)), key=lambda i: rows[i])
    groups = [[order[0]]]
    lengths = [len(rows[order[0]]) - 1]
    for before, here in pairwise(order):
        common = min(_common(rows[before], rows[here]), lengths[-1], len(rows[here]) - 1)
        if common - root >= MIN_SHARED:
            groups[-1].append(here)
            lengths[-1] = common
        else:
            groups.append([here])
            lengths.append(len(rows[here]) - 1)
    if all(len(group) == 1 for group in groups):
        return Tree(root)
    # A row that shares with nobody puts nothing into the second level: all its own tokens stay in its leaf.
    shared = [length - root if len(group) > 1 else 0 for group, length in zip(groups, lengths, strict=True)]
    return Tree(root, groups, shared)


def shared_hidden_states(
    backbone: nn.Module, input_ids: Tensor, attention_mask: Tensor, count: TokenCount | None = None
) -> tuple[Tensor, Tensor]:
    """Run a right-padded batch through the backbone, each shared token once.

    input_ids, attention_mask: (rows, length). Returns `states` (tokens, hidden size), the last hidden states of the
    computed tokens, and `place` (rows, length), each position's row in `states` (0 at padding).
    """
    lengths = attention_mask.sum(1).tolist()
    rows = [row[:length].tolist() for row, length in zip(input_ids, lengths, strict=True)]
    tree = find_tree(rows)
    place = torch.zeros_like(input_ids)
    device, total = input_ids.device, 0
    states: list[Tensor] = []
    cache: Any = None
    past = torch.ones(1, 0, dtype=attention_mask.dtype, device=device)  # which cached positions are real, by row
    start = [0] * len(rows)

    if tree.root:
        cache = _new_cache(backbone)
        ids = input_ids[:1, : tree.root]
        states.append(_run(backbone, ids, None, None, cache)[0])
        place[:, : tree.root] = torch.arange(tree.root, device=device)
        total, past = tree.root, torch.ones(1, tree.root, dtype=attention_mask.dtype, device=device)
        start = [tree.root] * len(rows)

    if any(tree.shared):
        cache = cache or _new_cache(backbone)
        group_of = torch.empty(len(rows), dtype=torch.long, device=device)
        width = max(tree.shared)
        ids = torch.zeros(len(tree.groups), width, dtype=torch.long, device=device)
        real = torch.zeros_like(ids)
        for number, (group, length) in enumerate(zip(tree.groups, tree.shared, strict=True)):
            ids[number, :length] = input_ids[group[0], tree.root : tree.root + length]
            real[number, :length] = 1
            group_of[group] = number
            place[group, tree.root : tree.root + length] = total + number * width + torch.arange(length, device=device)
            for row in group:
                start[row] = tree.root + length
        past = torch.cat([past.expand(len(tree.groups), -1), real], 1)
        _select(cache, torch.zeros(len(tree.groups), dtype=torch.long, device=device))
        position = tree.root + torch.arange(width, device=device).expand(len(tree.groups), -1)
        states.append(_run(backbone, ids, past, position, cache).flatten(0, 1))
        total += ids.numel()
        _select(cache, group_of)
        past = past[group_of]
    else:
        if cache is not None:
            _select(cache, torch.zeros(len(rows), dtype=torch.long, device=device))
        past = past.expand(len(rows), -1)

    own = [length - begin for length, begin in zip(lengths, start, strict=True)]
    width = max(own)
    begins = torch.tensor(start, device=device)[:, None]
    columns = torch.arange(width, device=device)
    real = (columns < torch.tensor(own, device=device)[:, None]).to(attention_mask.dtype)
    position = begins + columns
    ids = input_ids.gather(1, position.clamp(max=input_ids.shape[1] - 1)) * real
    states.append(_run(backbone, ids, torch.cat([past, real], 1), position, cache).flatten(0, 1))
    at, column = real.nonzero(as_tuple=True)
    place[at, position[at, column]] = total + at * width + column
    if count is not None:
        count.computed += tree.root + sum(tree.shared) + sum(own)
        count.plain += sum(lengths)
    return torch.cat(states), place


def can_share(config: Any) -> bool:
    """Whether a model's attention sees its whole context, so that a node may stand on its parent's keys and values."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache = DynamicCache(config=config.get_text_config())
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def _new_cache(backbone: nn.Module) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=backbone.config)


def _run(backbone: nn.Module, ids: Tensor, mask: Tensor | None, position: Tensor | None, cache: Any) -> Tensor:
    states: Tensor = backbone(
        input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=cache is not None
    ).last_hidden_state
    return states


def _select(cache: Any, rows: Tensor) -> None:
    """Give each row of the next level its parent's keys and values; a root of one row is expanded without a copy."""
    for layer in cache.layers:
        if layer.keys is None or not layer.is_initialized:
            continue
        if layer.keys.shape[0] == 1:
            layer.keys = layer.keys.expand(len(rows), -1, -1, -1)
            layer.values = layer.values.expand(len(rows), -1, -1, -1)
        else:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    for position, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return position
    return min(len(one), len(other))
