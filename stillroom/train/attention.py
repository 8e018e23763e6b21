"""Attention for training on CPUs: two batched matrix products and a softmax, keys and values never repeated.

PyTorch's fused CPU kernel takes 40 % of a training step here, most of it in its backward pass, and the eager one copies
keys and values for each query head. Grouping the query heads that share a key head needs neither.
"""

from typing import Any

import torch
from torch import Tensor

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
    scores = (stacked @ key.transpose(-1, -2)).view(rows, groups, heads // groups, length, cached)
    if attention_mask is not None:
        scores += attention_mask[:, :, None, :, :cached]
    weights = torch.softmax(scores, -1)
    if dropout and module.training:
        weights = torch.nn.functional.dropout(weights, dropout)
    mixed = weights.view(rows, groups, -1, cached) @ value
    return mixed.view(rows, heads, length, size).transpose(1, 2), None


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
