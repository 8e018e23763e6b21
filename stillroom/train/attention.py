"""Attention for training on CPUs: two batched matrix products and a softmax, keys and values never repeated.

PyTorch's fused CPU kernel takes 40 % of a training step here, most of it in its backward pass, and the eager one copies
keys and values for each query head. Grouping the query heads that share a key head needs neither.
"""

from typing import Any

import torch
from torch import Tensor, nn

NAME = "stillroom_grouped"


def grouped_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention in the shape that transformers' models call.

    query: (rows, heads, length, size). key, value: (rows, key heads, cached length, size). attention_mask: added to the
    scores, (rows or 1, 1, length, cached length). Returns (rows, length, heads, size).
    """
    rows, heads, length, size = query.shape
    groups, cached = key.shape[1], key.shape[2]
    scale = size**-0.5 if scaling is None else scaling
    stacked = (query * scale).reshape(rows, groups, heads // groups * length, size)
    mask = None if attention_mask is None else attention_mask[..., :cached].expand(rows, -1, -1, -1)
    with torch.autocast(query.device.type, enabled=False):
        key, value = key.to(stacked.dtype), value.to(stacked.dtype)
        if dropout and module.training:
            weights = torch.stack([_weights(*row) for row in zip(stacked, key, _by_row(mask, rows), strict=True)])
            mixed = nn.functional.dropout(weights, dropout) @ value
        else:
            mixed = _Attention.apply(stacked, key, value, mask)  # type: ignore[no-untyped-call]
    return mixed.view(rows, heads, length, size).transpose(1, 2), None


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, out: Tensor | None = None) -> Tensor:
    """Softmax of one row's scores: (key heads, query heads of each × length, cached length), in the query's dtype."""
    scores = torch.bmm(query, key.transpose(1, 2)) if out is None else torch.bmm(query, key.transpose(1, 2), out=out)
    if mask is not None:
        scores.view(-1, *mask.shape[-2:]).add_(mask)
    return torch.softmax(scores, -1) if out is None else torch.softmax(scores, -1, out=out)


def _by_row(mask: Tensor | None, rows: int) -> Any:
    return [None] * rows if mask is None else mask


class _Attention(torch.autograd.Function):
    """Row after row in two buffers that stay in the processor's cache; the backward pass computes the weights again.

    Fresh memory for the scores of a whole batch costs this step more than the products that fill it: the system clears
    each new page.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        mixed = torch.empty_like(query)
        weights = query.new_empty(*query.shape[1:3], key.shape[2])
        for row, bias in enumerate(_by_row(mask, len(query))):
            _weights(query[row], key[row], bias, out=weights)
            torch.bmm(weights, value[row], out=mixed[row])
        ctx.save_for_backward(query, key, value, mask)
        return mixed

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = ctx.saved_tensors
        slope = slope.contiguous()
        slopes = tuple(like.new_empty(like.shape) for like in (query, key, value))
        weights = query.new_empty(*query.shape[1:3], key.shape[2])
        changes = torch.empty_like(weights)
        for row, bias in enumerate(_by_row(mask, len(query))):
            _weights(query[row], key[row], bias, out=weights)
            torch.bmm(weights.transpose(1, 2), slope[row], out=slopes[2][row])
            torch.bmm(slope[row], value[row].transpose(1, 2), out=changes)
            torch._softmax_backward_data(changes, weights, -1, weights.dtype, grad_input=changes)
            torch.bmm(changes, key[row], out=slopes[0][row])
            torch.bmm(changes.transpose(1, 2), query[row], out=slopes[1][row])
        return *slopes, None


def fits(config: Any) -> bool:
    """Whether a model's attention is plain: no soft cap on its scores and no sink beside them."""
    text = config.get_text_config()
    return not getattr(text, "attn_logit_softcapping", None) and text.model_type not in ("gpt_oss",)


def register() -> str:
    """Make it known to transformers; returns the name for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME
