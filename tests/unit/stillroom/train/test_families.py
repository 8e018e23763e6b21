"""Each family that a user may bring: with an adapter, the shared forward has the plain one's loss and gradients.

What transformers' plain forward and TRL's head make of padded rows is the truth, in fp32.
"""

import random
from typing import Any

import pytest
import torch

from stillroom.train.shared_forward import CannotShare, share_prefixes

WORDS = 50
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": WORDS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
SHARED: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1},
    "qwen3": {},
    "qwen3_moe": EXPERTS,
    "mistral": {"sliding_window": 24},
    "mixtral": EXPERTS | {"sliding_window": 24},
    "gemma": {},
    "gemma2": {"sliding_window": 24, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 2.0},
    "gemma3_text": {"sliding_window": 24, "query_pre_attn_scalar": 8},
    "phi": {},
    "phi3": {"sliding_window": 24},
    "granite": {"logits_scaling": 4.0, "residual_multiplier": 0.5, "embedding_multiplier": 3.0},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"logit_scale": 0.25, "sliding_window": 24},
    "olmo2": {},
    "smollm3": {},
    "starcoder2": {"sliding_window": 24},
    "gpt_neox": {},
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "glm4": {},
    "exaone4": {"sliding_window": 24},
}
PLAIN: dict[str, tuple[dict[str, Any], str]] = {
    "stablelm": ({}, "its forward takes no tree"),
    "nemotron": ({}, "its forward takes no tree"),
    "falcon": ({}, "its forward takes no tree"),
    "bloom": ({"hidden_dropout": 0.0, "attention_dropout": 0.0}, "its forward takes no tree"),
    # Sinks weigh so little in most rows that made-up ones may not show them.
    "gpt_oss": (EXPERTS | {"adapter": {"target_modules": ["q_proj", "v_proj"]}}, "its attention has sinks"),
    "mamba": ({"adapter": {"target_modules": ["in_proj"]}}, "layers of the kind linear_attention"),
}
"""Families that keep the plain forward, and a part of the reason."""


def made(family: str, **changes: Any) -> Any:
    """A tiny random model of a family as TRL prepares it: a fused head, then an adapter that already says something."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    torch.manual_seed(0)
    options: dict[str, Any] = SIZES | SHARED.get(family, {}) | changes
    if family in ("gpt2", "bloom", "falcon"):
        options |= {"n_embd": 32, "n_layer": 2, "n_head": 4} if family != "falcon" else {}
        del options["head_dim"]
    adapter = options.pop("adapter", {})
    config = AutoConfig.for_model(family, **options)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    for weight in model.parameters():  # at its first weights nothing depends on anything
        weight.data.mul_(4 if weight.dim() > 1 else 1).add_(0.1 * torch.randn(weight.shape))
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    wanted = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | adapter
    model = get_peft_model(model, LoraConfig(**wanted))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


def batch(rows: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """Prompts and answers, padded on the right; only the answers have labels."""
    width = max(len(prompt + answer) for prompt, answer in rows)
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -100)
    mask = torch.zeros_like(ids)
    for number, (prompt, answer) in enumerate(rows):
        length = len(prompt + answer)
        ids[number, :length] = torch.tensor(prompt + answer)
        labels[number, len(prompt) : length] = torch.tensor(answer)
        mask[number, :length] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def facts(model: Any, rows: dict[str, torch.Tensor]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """What TRL reads of a batch, and the gradient of each trained weight."""
    model.zero_grad()
    output = model(**rows, fused_lm_head=True, use_cache=False)
    weights = torch.linspace(0.5, 2, output.log_probs.numel()).view(output.log_probs.shape)
    (output.log_probs * weights).sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return [output.log_probs.detach(), output.entropy.detach(), output.is_top1.float()], gradients


def assert_same(model: Any, rows: list[tuple[list[int], list[int]]]) -> None:
    padded = batch(rows)
    expected, expected_gradients = facts(model, padded)
    count = share_prefixes(model)
    found, found_gradients = facts(model, padded)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found_gradients.keys() == expected_gradients.keys() != set()
    for name, gradient in expected_gradients.items():
        size = float(gradient.abs().max())
        torch.testing.assert_close(found_gradients[name], gradient, rtol=1e-3, atol=1e-5 + 1e-4 * size, msg=name)
    assert 0 < count.computed <= count.plain, "the shared path was taken"


def drawn(generator: random.Random, length: int) -> list[int]:
    return [generator.randrange(3, WORDS) for _ in range(length)]


def mails() -> list[tuple[list[int], list[int]]]:
    """An instruction, then mails with two answers each, as in DPO."""
    generator = random.Random(1)
    instruction = drawn(generator, 30)
    prompts = [instruction + drawn(generator, length) for length in (20, 3, 1)]
    return [(prompt, drawn(generator, length)) for prompt in prompts for length in (6, 1)]


@pytest.mark.parametrize("family", SHARED)
def test_shared_is_plain(family: str) -> None:
    assert_same(made(family), mails())


@pytest.mark.parametrize("family", PLAIN)
def test_a_family_that_cannot_share_says_why(family: str) -> None:
    options, reason = PLAIN[family]
    model = made(family, **options)
    before = facts(model, batch(mails()))
    with pytest.raises(CannotShare, match=reason):
        share_prefixes(model)
    torch.testing.assert_close(facts(model, batch(mails())), before)


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": True},
        {"vocab_size": 64, "pad_token_id": 63},
        {"adapter": {"target_modules": ["q_proj", "down_proj"], "use_dora": True}},
        {"adapter": {"target_modules": ["q_proj", "v_proj", "embed_tokens"]}},
        {"adapter": {"target_modules": ["k_proj"], "modules_to_save": ["embed_tokens"]}},
        {"adapter": {"target_modules": ["up_proj"], "modules_to_save": ["input_layernorm"]}},
        {"adapter": {"target_modules": ["gate_proj"], "use_rslora": True, "lora_bias": True}},
        {"tie_word_embeddings": True, "adapter": {"target_modules": ["q_proj", "embed_tokens"]}},
    ],
    ids=str,
)
def test_whatever_is_adapted(changes: dict[str, Any]) -> None:
    assert_same(made("llama", **changes), mails())


@pytest.mark.parametrize(
    "adapter", [{"target_modules": ["q_proj", "lm_head"]}, {"modules_to_save": ["lm_head"]}], ids=str
)
def test_a_head_that_is_trained_keeps_the_plain_forward(adapter: dict[str, Any]) -> None:
    with pytest.raises(CannotShare, match="output layer is trained"):
        share_prefixes(made("llama", adapter=adapter))


ROW = drawn(random.Random(2), 40)


@pytest.mark.parametrize(
    "rows",
    [
        [(ROW, [5, 6])],
        [(ROW, [5, 6])] * 4,
        [(ROW[:30], ROW[30:]), (ROW[:30], ROW[30:35])],
        [(ROW, ROW[:1]), (ROW, ROW[:1])],
        [([], ROW), (ROW[:1], ROW[1:])],
        [(ROW[:3], [7]), ([9], [8])],
        [(ROW, []), (ROW, [4])],
    ],
    ids=["one row", "equal rows", "a row begins another", "one token", "no prompt", "nothing shared", "no answer"],
)
def test_odd_batches(rows: list[tuple[list[int], list[int]]]) -> None:
    assert_same(made("llama"), rows)
