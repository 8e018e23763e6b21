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

HEAD_ROWS = 64
"""Positions whose logits are held at once: 64 × 49k words × 4 bytes is 13 MB."""

_UNKNOWN_SCALING = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def share_prefixes(model: nn.Module) -> TokenCount | None:
    """Make a model that TRL has prepared compute shared prefixes once; returns its running count of tokens.

    model: a PEFT model or a plain one. Returns None, and changes nothing, for a family whose attention or head this
    does not know, and where the head itself is trained; TRL's plain forward does it then. Calling it twice is harmless.
    """
    from peft import PeftModel

    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if hasattr(inner, "shared_token_count"):
        return inner.shared_token_count  # type: ignore[no-any-return]
    config = inner.config.get_text_config()
    scaled = any(getattr(config, name, None) not in (None, 1.0) for name in _UNKNOWN_SCALING)
    if scaled or not can_share(inner.config) or getattr(config, "output_router_logits", None) is not None:
        return None
    head = inner.get_output_embeddings()
    if type(head) is not nn.Linear or head.weight.requires_grad:
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
    head = model.get_output_embeddings()
    facts = HeadFacts.apply(states[place[:, :-1][mask]], head.weight, head.bias, labels[mask], softcap)  # type: ignore[no-untyped-call]
    empty = torch.zeros(mask.shape, device=mask.device)
    log_probs, entropy, mean_logits, top = (empty.masked_scatter(mask, fact) for fact in facts)
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / mask.sum().clamp(min=1),
        log_probs=log_probs,
        entropy=entropy,
        mean_logits=mean_logits,
        is_top1=top.bool(),
        label_mask=mask,
    )


class HeadFacts(torch.autograd.Function):
    """Log-probability, entropy, mean logit and "is the most likely" of each wanted token.

    The gradient of a log-probability is computed with it, while its logits are still in the processor's cache: no more
    than HEAD_ROWS rows of logits exist at a time, and nothing is computed again in the backward pass. The head itself
    gets no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: Tensor, softcap: float | None
    ) -> tuple[Tensor, ...]:
        """hidden: (positions, size). weight: (words, size). wanted: (positions,).

        Returns four of (positions,) in fp32.
        """
        hidden = hidden.to(weight.dtype)
        facts = torch.empty(4, len(wanted), device=hidden.device)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for begin in range(0, len(wanted), HEAD_ROWS):
            rows = slice(begin, begin + HEAD_ROWS)
            words = wanted[rows, None]
            logits = nn.functional.linear(hidden[rows], weight, bias).float()
            if softcap is not None:
                logits = torch.tanh_(logits / softcap) * softcap
            top, best = logits.max(-1)
            facts[2, rows] = logits.mean(-1)
            facts[3, rows] = (best == wanted[rows]).float()
            weights = (logits - top[:, None]).exp_()
            total = weights.sum(-1)
            log_total = total.log() + top
            facts[0, rows] = logits.gather(-1, words)[:, 0] - log_total
            weights /= total[:, None]
            facts[1, rows] = log_total - torch.linalg.vecdot(weights, logits)
            if slopes is not None:
                weights.neg_().scatter_add_(-1, words, torch.ones_like(words, dtype=weights.dtype))
                if softcap is not None:
                    weights *= 1 - (logits / softcap) ** 2
                torch.mm(weights.to(weight.dtype), weight, out=slopes[rows])
        ctx.save_for_backward(slopes)
        log_probs, entropy, mean, top1 = facts.unbind()
        ctx.mark_non_differentiable(entropy, mean, top1)
        return log_probs, entropy, mean, top1

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *_: Any) -> tuple[Any, ...]:
        (slopes,) = ctx.saved_tensors
        return slopes * slope[:, None].to(slopes.dtype), None, None, None, None
