"""What each row and each token counts in SFT's loss.

A token's weight is a product: its class's weight, its row's own, and the decision weight where it belongs to the class
itself, which decides all that follows and is one token among dozens. Weights are scaled once for the whole split, so
that a labelled token weighs 1 on average: the loss of a batch does not depend on how batches are cut.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from stillroom.data.rows import Row
from stillroom.data.split import class_of
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoded


def class_weights(recipe: Recipe, rows: Sequence[Row]) -> dict[str, float]:
    """What each class of the labelled rows counts; balanced weights give every class the same sum over these rows."""
    given = recipe.sft.class_weights
    sizes = Counter(class_of(row, recipe.output_schema) for row in rows if row.label is not None)
    if given == "balanced":
        return {name: sizes.total() / (len(sizes) * size) for name, size in sizes.items()}
    return {name: 1.0 if given == "none" else given.get(name, 1.0) for name in sizes}


def weighed(recipe: Recipe, rows: Sequence[Row]) -> tuple[list[Row], list[float]]:
    """The labelled rows that count at all, and what each counts.

    Raises UserError where there are labelled rows and none of them counts.
    """
    labelled = [row for row in rows if row.label is not None]
    by_class = class_weights(recipe, rows)
    weights = [by_class[class_of(row, recipe.output_schema)] * row.weight for row in labelled]
    counting = [(row, weight) for row, weight in zip(labelled, weights, strict=True) if weight > 0]
    if labelled and not counting:
        raise UserError(
            f"There is nothing to train on: all {len(labelled)} rows of the train split weigh 0. Give some of them a "
            "weight above 0, in the weight column of the recipe's sources or in sft.class_weights."
        )
    return [row for row, _ in counting], [weight for _, weight in counting]


def token_weights(
    samples: Sequence[Encoded], counts: Sequence[float], decision: int, decision_weight: float, full: bool
) -> Callable[[Encoded, float], list[float]]:
    """What gives the weights of a sample's tokens, by what the sample counts; 0 where a token has no label.

    The mean over all labelled tokens of `samples` is 1. counts: what each of them counts. decision: tokens at the
    beginning of a completion that count `decision_weight` times. full: the prompts have labels too (see
    `Encoded.labels`).
    """

    def raw(sample: Encoded, count: float) -> list[float]:
        first = min(decision, len(sample.completion))
        prompt = [0.0] + [count] * (len(sample.prompt) - 1) if full else [0.0] * len(sample.prompt)
        return prompt + [count * decision_weight] * first + [count] * (len(sample.completion) - first)

    labelled, total = 0, 0.0
    for sample, count in zip(samples, counts, strict=True):
        labelled += sum(label != -100 for label in sample.labels(full))
        total += sum(raw(sample, count))
    scale = labelled / (total or 1)
    return lambda sample, count: [weight * scale for weight in raw(sample, count)]


def weighted(model: Any, weights: Any, **inputs: Any) -> Any:
    """A model's output with its log-probs weighted. weights: (rows, length), as the collator pads them."""
    output = model(**inputs)
    output.log_probs = output.log_probs * weights[:, 1:]
    return output


def collator(pad_token_id: int) -> Any:
    """TRL's collator with the column `weights` beside the labels, padded with 0."""
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    class WeightsCollator(DataCollatorForLanguageModeling):
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            batch: dict[str, Any] = super().torch_call(examples)
            weights = torch.zeros(batch["labels"].shape)
            for row, example in enumerate(examples):
                weights[row, : len(example["weights"])] = torch.tensor(example["weights"])
            return batch | {"weights": weights}

    return WeightsCollator(pad_token_id=pad_token_id)
