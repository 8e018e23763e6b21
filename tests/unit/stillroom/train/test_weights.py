"""What rows and tokens count: products, scaled to one, against losses computed by hand."""

import random
from typing import Any

import pytest
import torch

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoded
from stillroom.train.shared_forward import share_prefixes
from stillroom.train.weights import class_weights, collator, token_weights, weighed, weighted

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


def recipe(**sft: Any) -> Recipe:
    data = {"sources": [{"kind": "csv", "path": "a"}]}
    return Recipe.model_validate({"name": "t", "instruction": "i", "output_schema": SCHEMA, "data": data, "sft": sft})


def rows(kinds: str, *weights: float) -> list[Row]:
    weights = weights or (1.0,) * len(kinds)
    return [
        Row(str(place), "x", {"kind": kind}, "made", weight=weight)
        for place, (kind, weight) in enumerate(zip(kinds, weights, strict=True))
    ]


def test_balanced_classes_have_one_sum() -> None:
    assert class_weights(recipe(class_weights="balanced"), rows("aaab")) == {"a": 4 / 6, "b": 2.0}
    assert class_weights(recipe(class_weights={"b": 3}), rows("aaab")) == {"a": 1.0, "b": 3.0}
    assert class_weights(recipe(), rows("ab")) == {"a": 1.0, "b": 1.0}


def test_class_and_row_weights_are_multiplied() -> None:
    kept, counts = weighed(recipe(class_weights={"a": 2}), [*rows("abb", 3, 0.5, 0), Row("u", "x", None, "made")])
    assert [row.id for row in kept] == ["0", "1"]  # weight 0 and no label take no part
    assert counts == [6.0, 0.5]


def test_weights_that_leave_nothing() -> None:
    with pytest.raises(UserError, match="all 2 rows of the train split weigh 0"):
        weighed(recipe(), rows("ab", 0, 0))
    assert weighed(recipe(), []) == ([], [])


def of_all(samples: list[Encoded], counts: list[float], **options: Any) -> list[list[float]]:
    weigh = token_weights(samples, counts, **options)
    return [weigh(sample, count) for sample, count in zip(samples, counts, strict=True)]


def test_a_token_weighs_one_on_average() -> None:
    samples = [Encoded([1, 2, 3], [4, 5, 6], cut=False), Encoded([1, 2], [7], cut=False)]
    raw = [[0, 0, 0, 8, 8, 2], [0, 0, 4]]
    found = of_all(samples, [2.0, 1.0], decision=2, decision_weight=4.0, full=False)
    scale = 4 / 22
    assert found == [[pytest.approx(weight * scale) for weight in row] for row in raw]
    full = of_all(samples, [2.0, 1.0], decision=2, decision_weight=4.0, full=True)
    scale = 7 / (2 + 2 + 8 + 8 + 2 + 1 + 4)
    assert full[0] == [pytest.approx(weight * scale) for weight in (0, 2, 2, 8, 8, 2)]
    assert full[1] == [pytest.approx(weight * scale) for weight in (0, 1, 4)]
    assert samples[0].labels(full=True) == [-100, 2, 3, 4, 5, 6] and samples[0].labels() == [-100] * 3 + [4, 5, 6]


@pytest.mark.parametrize("full", [False, True])
def test_the_shared_tree_gives_the_weighted_loss_and_gradients_by_hand(full: bool) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    network = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).float()
    generator = random.Random(1)

    def tokens(length: int) -> list[int]:
        return [generator.randrange(3, 50) for _ in range(length)]

    prefix = tokens(30)
    # The third row repeats the first, so that whole rows share their labelled tokens.
    samples = [Encoded(prefix + tokens(length), tokens(4), cut=False) for length in (5, 9)]
    samples.append(samples[0])
    weights = of_all(samples, [3.0, 0.5, 1.0], decision=1, decision_weight=2.0, full=full)
    examples = [
        {"input_ids": sample.prompt + sample.completion, "labels": sample.labels(full), "weights": of_row}
        for sample, of_row in zip(samples, weights, strict=True)
    ]

    # By hand: a plain forward of each row, and the weighted mean of its tokens' losses.
    total, count = torch.zeros(()), 0
    for example in examples:
        logits = network(input_ids=torch.tensor([example["input_ids"]])).logits[0]
        for place in range(1, len(example["labels"])):
            if example["labels"][place] != -100:
                log_prob = torch.log_softmax(logits[place - 1], -1)[example["labels"][place]]
                total, count = total - example["weights"][place] * log_prob, count + 1
    expected = total / count
    parameters = [weight for weight in network.parameters() if weight is not network.lm_head.weight]
    expected_gradients = torch.autograd.grad(expected, parameters)

    add_fused_lm_head(network)
    network.lm_head.requires_grad_(False)
    share_prefixes(network)
    batch = collator(pad_token_id=0)(examples)
    output = weighted(network, batch.pop("weights"), **batch, fused_lm_head=True)
    assert output.label_mask.sum() == count
    found = -output.log_probs.sum() / count
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(torch.autograd.grad(found, parameters), expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
