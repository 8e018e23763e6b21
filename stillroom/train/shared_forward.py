"""The prefix-shared forward as part of a TRL trainer's model.

TRL asks its model for per-token log-probabilities (`fused_lm_head=True`) rather than logits. Answering that one call
with shared prefixes speeds up every loss, callback and option of its trainers, and changes none. The head is applied
only where a label is; TRL does so on GPUs only, and on a CPU scores every position.
"""

import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stillroom.train import attention
from stillroom.train.fused_layers import fuse
from stillroom.train.prefix import MIN_SHARED, find_tree

HEAD_ROWS = 64
"""Positions whose logits are held at once: 64 × 49k words × 4 bytes is 13 MB."""


@dataclass
class TokenCount:
    """Tokens that went through the backbone, against those of a plain forward over the same rows (no padding)."""

    computed: int = 0
    plain: int = 0


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a family does to the output layer's logits: a factor, then a soft cap. squares: whether the trainer wants
    the sum of the squared probabilities too, as DPO's `use_weighting` does."""

    scale: float = 1.0
    softcap: float | None = None
    squares: bool = False


class CannotShare(Exception):
    """Why a model cannot compute shared prefixes once."""


def share_prefixes(model: nn.Module) -> TokenCount:
    """Make a model that TRL has prepared compute shared prefixes once; returns its running count of tokens.

    model: a PEFT model or a plain one. Raises CannotShare, and leaves the model as it was, where the head itself is
    trained and where a trial shows other log-probs than the plain forward's: a family that does more than attention
    over plain keys and values. TRL's plain forward does it then. Calling it twice is harmless.
    """
    from peft import PeftModel

    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if hasattr(inner, "shared_token_count"):
        return inner.shared_token_count  # type: ignore[no-any-return]
    head, config = inner.get_output_embeddings(), inner.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or [])
    if type(head) is not nn.Linear or head.weight.requires_grad:
        raise CannotShare("its output layer is trained, or is no plain linear layer")
    if others := kinds - {"full_attention", "sliding_attention"}:
        raise CannotShare(f"it has layers of the kind {', '.join(sorted(others))}")
    plain_forward, count = inner.forward, TokenCount()

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        # What else a batch may bring (positions, images, a wish for the router's logits) is the plain forward's affair.
        given = {name for name, value in kwargs.items() if value is not None and value is not False}
        mask = kwargs.get("attention_mask")
        right_padded = mask is not None and mask.dim() == 2 and bool((mask[:, :-1] >= mask[:, 1:]).all())
        if not fused_lm_head or args or not right_padded or given != {"input_ids", "attention_mask", "labels"}:
            return plain_forward(*args, fused_lm_head=fused_lm_head, **kwargs)
        states, place = shared_hidden_states(self.base_model, kwargs["input_ids"], kwargs["attention_mask"], count)
        return _score(self, states, place, kwargs["labels"], shaping)

    before = inner.config._attn_implementation
    inner.set_attn_implementation(attention.register())
    expected = _scored(inner, plain_forward)
    squares = getattr(expected, "log_sum_sq_probs", None) is not None
    shaping = Shaping(_logit_scale(config), getattr(config, "final_logit_softcapping", None), squares)
    unfuse = fuse(inner)
    try:
        _compare(inner, expected.log_probs, types.MethodType(forward, inner))
    except CannotShare:
        unfuse()
        inner.set_attn_implementation(before)
        raise
    count.computed = count.plain = 0
    inner.forward = types.MethodType(forward, inner)
    inner.shared_token_count = count
    return count


def _logit_scale(config: Any) -> float:
    """The factor of the logits, by the names that families give it. The trial shows where one is missing here."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (factor := getattr(config, name, None)) is not None:
            return float(factor)
    return 1 / float(getattr(config, "logits_scaling", None) or 1.0)


def shared_hidden_states(
    backbone: nn.Module, input_ids: Tensor, attention_mask: Tensor, count: TokenCount | None = None
) -> tuple[Tensor, Tensor]:
    """Run a right-padded batch through the backbone, each shared token once.

    input_ids, attention_mask: (rows, length). Returns `states` (tokens, hidden size), the last hidden states of the
    computed tokens, and `place` (rows, length), each position's row in `states` (0 at padding). The backbone
    must run with `tree_attention`.
    """
    lengths, device = attention_mask.sum(1).tolist(), input_ids.device
    tree = find_tree([row[:length] for row, length in zip(input_ids.tolist(), lengths, strict=True)])
    states = backbone(
        input_ids=torch.tensor([tree.tokens], device=device),
        position_ids=torch.tensor([tree.positions], device=device),
        # The models hand a mask of four dimensions through as it is, and so build none of their own.
        attention_mask=torch.empty(1, 1, 0, 0, device=device),
        use_cache=False,
        tree=tree,
    ).last_hidden_state[0]
    place = torch.zeros_like(input_ids)
    order = torch.arange(len(tree.tokens), device=device)
    for row, parts in enumerate(tree.rows):
        place[row, : lengths[row]] = torch.cat([order[part] for part in parts])
    if count is not None:
        count.computed += len(tree.tokens)
        count.plain += sum(lengths)
    return states, place


def _scored(model: Any, forward: Any) -> Any:
    """What a forward says of made-up rows that share two levels of prefix, in TRL's own output type."""
    draw = torch.Generator().manual_seed(0)
    length, words = 2 * MIN_SHARED, model.get_output_embeddings().out_features
    ids = torch.randint(words, (3, 3 * length), generator=draw)
    ids[:, :length] = ids[0, :length]
    ids[1, : 2 * length] = ids[0, : 2 * length]
    mask = torch.ones_like(ids)
    mask[2, -length // 2 :] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    batch = {name: value.to(model.device) for name, value in batch.items()}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return forward(**batch, fused_lm_head=True)
    finally:
        model.train(training)


def _compare(model: Any, expected: Tensor, shared: Any) -> None:
    """Raise CannotShare where the shared forward fails, or scores the made-up rows otherwise than the plain one."""
    try:
        found = _scored(model, shared).log_probs
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CannotShare(f"its forward takes no tree: {error}") from error
    apart, spread = float((found - expected).abs().mean()), float(expected[expected != 0].std())
    # Rounding in bfloat16 stays below a fiftieth of the spread; a token that sees too much or too little is far above.
    if not apart <= 0.05 * spread:
        raise CannotShare(f"its log-probs would be {apart:.2g} apart from the plain forward's")


def _score(model: Any, states: Tensor, place: Tensor, labels: Tensor, shaping: Shaping) -> Any:
    """Per-token facts at the labelled positions, in TRL's own output type; shapes (rows, length - 1)."""
    from trl.trainer.utils import FusedCausalLMOutput, maybe_gather_lm_head_ctx

    labels = labels[:, 1:]
    mask = labels != -100
    head = model.get_output_embeddings()
    # Where prompts are learned too, most rows ask the same of the same shared token: that is scored once.
    words = head.out_features
    asked, of_row = torch.unique(place[:, :-1][mask] * words + labels[mask], return_inverse=True)
    with maybe_gather_lm_head_ctx(head.weight, head.bias):  # ZeRO-3 keeps it in parts; the backward pass needs it not
        facts = HeadFacts.apply(states[asked // words], head.weight, head.bias, asked % words, shaping)  # type: ignore[no-untyped-call]
    empty = torch.zeros(mask.shape, device=mask.device)
    log_probs, entropy, mean_logits, top, squares = (empty.masked_scatter(mask, fact[of_row]) for fact in facts)
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / mask.sum().clamp(min=1),
        log_probs=log_probs,
        entropy=entropy,
        log_sum_sq_probs=squares if shaping.squares else None,
        mean_logits=mean_logits,
        is_top1=top.bool(),
        label_mask=mask,
    )


class HeadFacts(torch.autograd.Function):
    """Log-probability, entropy, mean logit and "is the most likely" of each wanted token, and its log of the summed
    squared probabilities where that is wanted.

    The gradient of a log-probability is computed with it, while its logits are still in the processor's cache: no more
    than HEAD_ROWS rows of logits exist at a time, and nothing is computed again in the backward pass. The head itself
    gets no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: Tensor, shaping: Shaping
    ) -> tuple[Tensor, ...]:
        """hidden: (positions, size). weight: (words, size). wanted: (positions,).

        Returns five of (positions,) in fp32.
        """
        hidden = hidden.to(weight.dtype)
        facts = torch.zeros(5, len(wanted), device=hidden.device)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for begin in range(0, len(wanted), HEAD_ROWS):
            rows = slice(begin, begin + HEAD_ROWS)
            words = wanted[rows, None]
            logits = nn.functional.linear(hidden[rows], weight, bias).float()
            if shaping.scale != 1.0:
                logits *= shaping.scale
            if shaping.softcap is not None:
                logits = torch.tanh_(logits / shaping.softcap) * shaping.softcap
            top, best = logits.max(-1)
            facts[2, rows] = logits.mean(-1)
            facts[3, rows] = (best == wanted[rows]).float()
            weights = (logits - top[:, None]).exp_()
            total = weights.sum(-1)
            log_total = total.log() + top
            facts[0, rows] = logits.gather(-1, words)[:, 0] - log_total
            weights /= total[:, None]
            facts[1, rows] = log_total - torch.linalg.vecdot(weights, logits)
            if shaping.squares:
                facts[4, rows] = torch.linalg.vecdot(weights, weights).log()
            if slopes is not None:
                weights.neg_().scatter_add_(-1, words, torch.ones_like(words, dtype=weights.dtype))
                if shaping.softcap is not None:
                    weights *= 1 - (logits / shaping.softcap) ** 2
                if shaping.scale != 1.0:
                    weights *= shaping.scale
                torch.mm(weights.to(weight.dtype), weight, out=slopes[rows])
        ctx.save_for_backward(slopes)
        log_probs, *others = facts.unbind()
        ctx.mark_non_differentiable(*others)
        return log_probs, *others

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *_: Any) -> tuple[Any, ...]:
        (slopes,) = ctx.saved_tensors
        return slopes * slope[:, None].to(slopes.dtype), None, None, None, None
