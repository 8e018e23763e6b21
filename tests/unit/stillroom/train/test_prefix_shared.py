"""The prefix-shared forward is the plain forward: same loss, same gradients."""

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.train.prefix import MIN_SHARED, TokenCount, find_tree, shared_hidden_states

WORDS = 50


def model(family: str = "llama") -> Any:
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
        **sizes,
    )
    return AutoModelForCausalLM.from_config(config).float()


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


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_shared_equals_plain_for_each_family(family: str) -> None:
    generator = random.Random(1)
    prefix = tokens(generator, 40)
    count = assert_same(model(family), [prefix + tokens(generator, length) for length in (5, 9, 3)])
    assert count.computed == 40 + 5 + 9 + 3


def test_pairs_share_their_prompt() -> None:
    generator = random.Random(2)
    prefix = tokens(generator, 30)
    prompts = [prefix + tokens(generator, length) for length in (20, 25)]
    chosen = [[*prompt, 3, *tokens(generator, 6)] for prompt in prompts]
    rejected = [[*prompt, 4, *tokens(generator, 8)] for prompt in prompts]
    count = assert_same(model(), chosen + rejected)
    assert count.computed == 30 + 20 + 25 + 2 * 7 + 2 * 9


@settings(max_examples=40, deadline=None)
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


def test_a_short_common_prefix_is_not_worth_a_node() -> None:
    tree = find_tree([[5] * (MIN_SHARED - 1) + [6, 7], [5] * (MIN_SHARED - 1) + [8, 9]])
    assert tree.root == 0 and not tree.groups


def test_every_row_keeps_a_token_of_its_own() -> None:
    row = list(range(3, 40))
    tree = find_tree([row, row])
    assert tree.root <= len(row) - 1
    assert all(length + tree.root <= len(row) - 1 for length in tree.shared)
