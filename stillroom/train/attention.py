"""Attention over the tree of a batch, node after node.

On a CPU each node is two batched matrix products and a softmax in buffers that stay in the processor's cache, with
keys and values never repeated: PyTorch's fused CPU kernel takes 40 % of a training step here, most of it in its
backward pass, and the eager one copies keys and values for each query head. On a GPU the fused kernel is the quick one.
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stillroom.train.prefix import Node, Tree

NAME = "stillroom_tree"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a layer weighs what a token sees: the factor of its scores, a soft cap on them, and how far back it sees."""

    scale: float
    softcap: float | None
    window: int | None


def tree_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    tree: Tree | None = None,
    s_aux: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention in the shape that transformers' models call.

    query: (1, heads, tokens, size). key, value: (1, key heads, tokens, size), all packed as in `tree`. Returns (1,
    tokens, heads, size). Without a tree the plain forward is meant, which is left to the family's own code. s_aux: the
    scores of a sink that takes its part of every softmax (gpt-oss); raises TypeError, for it would be left out here.
    """
    if tree is not None and s_aux is not None:
        raise TypeError("its attention has sinks")
    if tree is None:
        others |= {"scaling": scaling, "dropout": dropout, "softcap": softcap, "sliding_window": sliding_window}
        others |= {} if s_aux is None else {"s_aux": s_aux}
        own = sys.modules[type(module).__module__].eager_attention_forward
        return own(module, query, key, value, attention_mask, **others)[0], None
    rule = Rule(query.shape[-1] ** -0.5 if scaling is None else scaling, softcap, sliding_window)
    dropout = dropout if module.training else 0.0
    with torch.autocast(query.device.type, enabled=False):
        key, value = key.to(query.dtype), value.to(query.dtype)
        if query.device.type == "cpu" and not dropout:
            mixed = _TreeAttention.apply(query[0], key[0], value[0], tree, rule)  # type: ignore[no-untyped-call]
        else:
            mixed = _fused(query[0], key[0], value[0], tree, rule, dropout)
    return mixed[None], None


def _fused(query: Tensor, key: Tensor, value: Tensor, tree: Tree, rule: Rule, dropout: float) -> Tensor:
    """PyTorch's kernels, and a plain product where a layer has a soft cap; gradients are autograd's."""
    parts, repeat = [], len(query) // len(key)
    for node in tree.nodes:
        asked, keys, values = query[:, node.begin : node.end], _seen(key, node), _seen(value, node)
        keys, values = keys.repeat_interleave(repeat, 0), values.repeat_interleave(repeat, 0)
        bias = _bias(node, rule, query)
        if rule.softcap is None:
            mixed = nn.functional.scaled_dot_product_attention(
                asked[None], keys[None], values[None], bias, dropout_p=dropout, scale=rule.scale
            )[0]
        else:
            scores = torch.tanh(asked @ keys.transpose(1, 2) * (rule.scale / rule.softcap)) * rule.softcap
            mixed = nn.functional.dropout(torch.softmax(scores + bias, -1), dropout) @ values
        parts.append(mixed.transpose(0, 1))
    return torch.cat(parts)


class _TreeAttention(torch.autograd.Function):
    """The scores of one node at a time, in memory that is used again; the backward pass computes them anew.

    Fresh memory for the scores of a whole batch costs a step more than the products that fill it: the system clears
    each new page.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, tree: Tree, rule: Rule) -> Tensor:
        heads, tokens, size = query.shape
        mixed = query.new_empty(tokens, heads, size)
        room = _Room(query, key, tree)
        for node in tree.nodes:
            asked = _grouped(query[:, node.begin : node.end] * rule.scale, len(key))
            weights, _ = _weights(asked, _seen(key, node), tree, node, rule, room)
            found = torch.bmm(weights, _seen(value, node))
            mixed[node.begin : node.end] = found.view(heads, -1, size).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.tree, ctx.rule = tree, rule
        return mixed

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        query, key, value = ctx.saved_tensors
        tree, rule = ctx.tree, ctx.rule
        heads, _, size = query.shape
        query_slope, key_slope, value_slope = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        room, other = _Room(query, key, tree), _Room(query, key, tree)
        for node in tree.nodes:
            own = slice(node.begin, node.end)
            asked, keys, values = _grouped(query[:, own] * rule.scale, len(key)), _seen(key, node), _seen(value, node)
            weights, bend = _weights(asked, keys, tree, node, rule, room)
            given = _grouped(slope[own].transpose(0, 1), len(key))
            _spread(value_slope, torch.bmm(weights.transpose(1, 2), given), node)
            changes = torch.bmm(given, values.transpose(1, 2), out=other.like(weights))
            torch._softmax_backward_data(changes, weights, -1, weights.dtype, grad_input=changes)
            if bend is not None:
                changes.mul_(bend)
            query_slope[:, own] = torch.bmm(changes, keys).view(heads, -1, size).mul_(rule.scale)
            _spread(key_slope, torch.bmm(changes.transpose(1, 2), asked), node)
        return query_slope, key_slope, value_slope, None, None


class _Room:
    """Memory for the scores of the largest node, lent to one node after another."""

    def __init__(self, query: Tensor, key: Tensor, tree: Tree) -> None:
        most = max((node.end - node.begin) * (node.depth + node.end - node.begin) for node in tree.nodes)
        self._memory = query.new_empty(len(query) * most)

    def take(self, *shape: int) -> Tensor:
        size = 1
        for length in shape:
            size *= length
        return self._memory[:size].view(shape)

    def like(self, other: Tensor) -> Tensor:
        return self.take(*other.shape)


def _weights(
    asked: Tensor, keys: Tensor, tree: Tree, node: Node, rule: Rule, room: _Room
) -> tuple[Tensor, Tensor | None]:
    """Softmax of a node's scores, (key heads, query heads of each × tokens, seen tokens), and the soft cap's slope.

    asked: queries, already scaled.
    """
    scores = torch.bmm(asked, keys.transpose(1, 2), out=room.take(len(keys), asked.shape[1], keys.shape[1]))
    bend = None
    if rule.softcap is not None:
        scores.div_(rule.softcap).tanh_()
        bend = 1 - scores.square()
        scores.mul_(rule.softcap)
    length = node.end - node.begin
    by_head = scores.view(-1, length, keys.shape[1])
    if rule.window is None:
        # All that lies above is seen; only the node itself is causal.
        if asked.dtype not in tree.causal:
            longest = max(node.end - node.begin for node in tree.nodes)
            tree.causal[asked.dtype] = _bias(Node(0, longest, (), 0), rule, asked)
        by_head[..., node.depth :].add_(tree.causal[asked.dtype][:length, :length])
    else:
        by_head.add_(_bias(node, rule, asked))
    return torch.softmax(scores, -1, out=scores), bend


def _bias(node: Node, rule: Rule, like: Tensor) -> Tensor:
    """What is added to a node's scores, (tokens, seen tokens): 0 where a token is seen, else minus infinity."""
    seen = torch.arange(node.depth + node.end - node.begin, device=like.device)
    positions = seen[node.depth :, None]
    hidden = seen > positions
    if rule.window is not None:
        hidden |= seen <= positions - rule.window
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, float("-inf"))


def _grouped(heads: Tensor, groups: int) -> Tensor:
    """(heads, tokens, size) → (key heads, query heads of each × tokens, size)."""
    return heads.reshape(groups, -1, heads.shape[-1])


def _seen(packed: Tensor, node: Node) -> Tensor:
    """Keys or values (key heads, seen tokens, size) of all that a node sees."""
    return torch.cat([packed[:, part] for part in node.seen], 1)


def _spread(slopes: Tensor, given: Tensor, node: Node) -> None:
    """Add a node's gradient of what it saw, in place, to where that stands in the packed sequence."""
    begin = 0
    for part in node.seen:
        length = part.stop - part.start
        slopes[:, part] += given[:, begin : begin + length]
        begin += length


def register() -> str:
    """Make it known to transformers; returns the name for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, tree_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME
