"""The prefix-shared forward as part of a TRL trainer's model.

TRL asks its model for per-token log-probabilities (`fused_lm_head=True`) rather than logits. Answering that one call
with shared prefixes speeds up every loss, callback and option of its trainers, and changes none. The head is applied
only where a label is; TRL does so on GPUs only, and on a CPU scores every position.
"""

import types
from typing import Any

import torch
from torch import Tensor, nn

from stillroom.train.prefix import TokenCount, can_share, shared_hidden_states

HEAD_ROWS = 1024
"""Positions whose logits are held at once: 1024 × 49k words × 4 bytes is 200 MB."""

_UNKNOWN_SCALING = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def share_prefixes(model: nn.Module) -> TokenCount | None:
    """Make a model that TRL has prepared compute shared prefixes once; returns its running count of tokens.

    model: a PEFT model or a plain one. Returns None, and changes nothing, for a family whose attention or head this
    does not know; it is then trained by TRL's plain forward. Calling it twice is harmless.
    """
    from peft import PeftModel

    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if hasattr(inner, "shared_token_count"):
        return inner.shared_token_count  # type: ignore[no-any-return]
    config = inner.config.get_text_config()
    scaled = any(getattr(config, name, None) not in (None, 1.0) for name in _UNKNOWN_SCALING)
    if scaled or not can_share(inner.config) or getattr(config, "output_router_logits", None) is not None:
        return None
    plain_forward, count = inner.forward, TokenCount()
    softcap = getattr(config, "final_logit_softcapping", None)

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        labels, mask = kwargs.get("labels"), kwargs.get("attention_mask")
        right_padded = mask is not None and bool((mask[:, :-1] >= mask[:, 1:]).all())
        if not fused_lm_head or labels is None or not right_padded or "position_ids" in kwargs:
            return plain_forward(*args, fused_lm_head=fused_lm_head, **kwargs)
        states, place = shared_hidden_states(self.base_model, kwargs["input_ids"], kwargs["attention_mask"], count)
        return _score(self, states, place, labels, softcap)

    inner.forward = types.MethodType(forward, inner)
    inner.shared_token_count = count
    return count


def _score(model: Any, states: Tensor, place: Tensor, labels: Tensor, softcap: float | None) -> Any:
    """Per-token facts at the labelled positions, in TRL's own output type; shapes (rows, length - 1)."""
    from trl.trainer.utils import FusedCausalLMOutput

    labels = labels[:, 1:]
    mask = labels != -100
    hidden, wanted = states[place[:, :-1][mask]], labels[mask]
    parts = [
        _head(model.get_output_embeddings(), rows, words, softcap, many=len(wanted) > HEAD_ROWS)
        for rows, words in zip(torch.split(hidden, HEAD_ROWS), torch.split(wanted, HEAD_ROWS), strict=True)
    ]
    empty = torch.zeros(mask.shape, device=mask.device)
    log_probs, entropy, mean_logits, top = (
        empty.masked_scatter(mask, torch.cat(part)) for part in zip(*parts, strict=True)
    )
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / mask.sum().clamp(min=1),
        log_probs=log_probs,
        entropy=entropy,
        mean_logits=mean_logits,
        is_top1=top.bool(),
        label_mask=mask,
    )


def _head(head: nn.Module, hidden: Tensor, wanted: Tensor, softcap: float | None, many: bool) -> tuple[Tensor, ...]:
    """Log-probability, entropy, mean logit and "is the most likely" of each wanted token; fp32, (positions,)."""
    if many and torch.is_grad_enabled():
        # Many positions: keep no logits for the backward pass, compute them again there.
        from torch.utils.checkpoint import checkpoint

        return checkpoint(_head, head, hidden, wanted, softcap, False, use_reentrant=False)  # type: ignore[no-any-return]
    logits = head(hidden).float()
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    total = logits.logsumexp(-1)
    log_probs = logits.gather(-1, wanted[:, None])[:, 0] - total
    with torch.no_grad():
        entropy = total - (torch.softmax(logits, -1) * logits).sum(-1)
        top = (logits.argmax(-1) == wanted).float()
        mean = logits.mean(-1)
    return log_probs, entropy, mean, top
