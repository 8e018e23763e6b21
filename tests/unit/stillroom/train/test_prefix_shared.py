"""The prefix-shared forward is the plain forward: same loss, same gradients."""

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.train import attention
from stillroom.train.prefix import MIN_SHARED, find_tree
from stillroom.train.shared_forward import CannotShare, TokenCount, share_prefixes, shared_hidden_states

WORDS = 50


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": 24},
    "gemma": {},
    "gemma2": {"sliding_window": 24, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 2.0},
    "gemma3_text": {"sliding_window": 24},
    "phi": {},
    "phi3": {"sliding_window": 24},
}


def model(family: str = "llama", **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model(
        family,
        vocab_size=WORDS,
        num_key_value_heads=2,
        head_dim=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        **sizes | FAMILIES.get(family, {}) | changes,
    )
    made = AutoModelForCausalLM.from_config(config, attn_implementation=attention.register()).float()
    for name, weight in made.named_parameters():  # attention that matters: at its first weights all tokens weigh alike
        if "proj" in name or "dense" in name:
            weight.data *= 8
    return made


def batch(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def loss_and_gradients(network: Any, hidden: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> Any:
    logits = network.lm_head(hidden[:, :-1])
    wanted = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)
    gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return loss, [gradient for gradient in gradients if gradient is not None]


def assert_same(network: Any, rows: list[list[int]]) -> TokenCount:
    ids, mask = batch(rows)
    plain = network.model(input_ids=ids, attention_mask=mask).last_hidden_state
    count = TokenCount()
    states, place = shared_hidden_states(network.model, ids, mask, count)
    expected, expected_gradients = loss_and_gradients(network, plain, ids, mask)
    found, found_gradients = loss_and_gradients(network, states[place], ids, mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert count.plain == sum(map(len, rows))
    return count


def tokens(generator: random.Random, length: int) -> list[int]:
    return [generator.randrange(3, WORDS) for _ in range(length)]


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_equals_plain_for_each_family(family: str) -> None:
    generator = random.Random(1)
    prefix = tokens(generator, 40)
    count = assert_same(model(family), [prefix + tokens(generator, length) for length in (5, 9, 3)])
    assert count.computed == 40 + 5 + 9 + 3


@pytest.mark.parametrize("family", [*FAMILIES, "gpt2", "mamba"])
def test_every_family_is_tried_before_it_is_trusted(family: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    config = AutoConfig.for_model(family, vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, pad_token_id=0)
    network = model(family) if family in FAMILIES else AutoModelForCausalLM.from_config(config)
    add_fused_lm_head(network)
    network.lm_head.requires_grad_(False)
    before = network.config._attn_implementation
    if family == "mamba":
        with pytest.raises(CannotShare, match="layers of the kind linear_attention"):
            share_prefixes(network)
        assert network.config._attn_implementation == before
    else:
        assert share_prefixes(network) == TokenCount()


def test_a_family_that_would_see_too_much_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer.utils import add_fused_lm_head

    network = model("llama")
    add_fused_lm_head(network)
    network.lm_head.requires_grad_(False)
    monkeypatch.setattr(attention, "_bias", lambda node, rule, like: like.new_zeros(()).expand(99, 99))
    with pytest.raises(CannotShare, match="its log-probs would be"):
        share_prefixes(network)
    assert not hasattr(network, "shared_token_count")


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_kernels_for_other_devices_say_the_same(family: str) -> None:
    generator = random.Random(4)
    rows = [tokens(generator, 9)] * 2 + [tokens(generator, 30)]
    ids, mask = batch(rows)
    network = model(family)
    states, place = shared_hidden_states(network.model, ids, mask)
    expected = loss_and_gradients(network, states[place], ids, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention._TreeAttention, "apply", lambda *inputs: attention._fused(*inputs, 0.0))
        states, place = shared_hidden_states(network.model, ids, mask)
        found = loss_and_gradients(network, states[place], ids, mask)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_gradient_checkpointing_sees_the_tree_too() -> None:
    generator = random.Random(5)
    prefix = tokens(generator, 20)
    network = model()
    network.gradient_checkpointing_enable({"use_reentrant": False})
    network.train()
    assert_same(network, [prefix + tokens(generator, 5), prefix + tokens(generator, 7)])


def test_dropout_on_a_shared_node_is_one_draw() -> None:
    generator = random.Random(6)
    row = tokens(generator, 30)
    network = model(attention_dropout=0.4).train()
    ids, mask = batch([row, row])
    states, place = shared_hidden_states(network.model, ids, mask)
    torch.testing.assert_close(states[place[0]], states[place[1]])
    again, _ = shared_hidden_states(network.model, ids, mask)
    assert not torch.allclose(states, again)


def test_pairs_share_their_prompt() -> None:
    generator = random.Random(2)
    prefix = tokens(generator, 30)
    prompts = [prefix + tokens(generator, length) for length in (20, 25)]
    chosen = [[*prompt, 3, *tokens(generator, 6)] for prompt in prompts]
    rejected = [[*prompt, 4, *tokens(generator, 8)] for prompt in prompts]
    count = assert_same(model(), chosen + rejected)
    assert count.computed == 30 + 20 + 25 + 2 * 7 + 2 * 9


def test_prefixes_nest_as_deep_as_they_come() -> None:
    generator = random.Random(7)
    parts = [tokens(generator, MIN_SHARED + 2) for _ in range(4)]
    rows = [[token for part in parts[: depth + 1] for token in part] + [3 + depth] for depth in range(4)]
    count = assert_same(model(), rows)
    assert count.computed == 4 * (MIN_SHARED + 2) + 4


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(0, 60), st.integers(0, 40))
def test_any_rows(seed: int, rows: int, root: int, second: int) -> None:
    generator = random.Random(seed)
    prefix = tokens(generator, root)
    groups = [prefix + tokens(generator, generator.randint(0, second)) for _ in range(1 + rows // 2)]
    assert_same(NETWORK, [generator.choice(groups) + tokens(generator, generator.randint(2, 20)) for _ in range(rows)])


NETWORK = model()


def test_equal_rows_and_a_row_that_is_anothers_prefix() -> None:
    row = tokens(random.Random(3), 40)
    assert_same(NETWORK, [row, row, row[:30]])


def test_a_row_that_is_there_twice_is_computed_once() -> None:
    row = list(range(3, 40))
    tree = find_tree([row, row])
    assert tree.tokens == row and tree.rows[0] == tree.rows[1]


def test_a_short_common_prefix_is_not_worth_a_node() -> None:
    tree = find_tree([[5] * (MIN_SHARED - 1) + [6, 7], [5] * (MIN_SHARED - 1) + [8, 9]])
    assert [node.above for node in tree.nodes] == [(), ()]


@given(st.lists(st.lists(st.integers(3, 4), min_size=1, max_size=60), min_size=1, max_size=8))
def test_every_row_can_be_read_off_the_tree(rows: list[list[int]]) -> None:
    tree = find_tree(rows)
    for row, parts in zip(rows, tree.rows, strict=True):
        assert [token for part in parts for token in tree.tokens[part]] == row
        assert [position for part in parts for position in tree.positions[part]] == list(range(len(row)))
