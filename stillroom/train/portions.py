"""A batch computed in as many portions as memory holds.

The gradients of the portions add up to the batch's own: TRL divides the loss by the tokens of the whole batch (SFT),
and a portion of pairs counts by its share of the batch (DPO). So the size of the portions changes time and memory and
nothing else.
"""

import copy
import math
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from stillroom.errors import UserError
from stillroom.progress import say
from stillroom.train.workers import ALONE, Workers


class Portions:
    """Goes in front of a TRL trainer: runs each batch in portions of `rows_at_once` rows (pairs in DPO).

    Where memory runs out in the middle of a step, the portion is halved, the step goes on from where it was, and the
    log says so; when a single row does not fit, gradient checkpointing is switched on. Of several workers all do so
    together: they ask one another after each forward and each backward pass, and exchange gradients when all portions
    are done. (DeepSpeed exchanges parts in between, and cannot go back.)
    """

    rows_at_once: int | None = None
    """None: the whole batch."""
    workers: Workers = ALONE
    ids: list[str]
    """The id of each row of the training data, in its order."""

    def training_step(self: Any, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """One forward and backward pass over the batch; returns its loss.

        Raises UserError, before the weights change, where the loss is no number or one row alone is too much.
        """
        rows = row_count(inputs)
        if num_items_in_batch is None and "labels" in inputs:
            num_items_in_batch = (inputs["labels"][:, 1:] != -100).sum()
        done, loss = 0, torch.zeros((), device=self.args.device)
        logged = {name: len(figures) for name, figures in self._metrics["train"].items()}
        counts: list[int] = []
        while done < rows:
            size = min(self.rows_at_once or rows, rows - done)
            portion = take(inputs, done, done + size)
            before = self._state()
            # Workers exchange their gradients once a step.
            last = done + size == rows and not self._agrees
            failed = False
            try:
                with nullcontext() if last else self.accelerator.no_sync(model):
                    part = self._portion_step(model, portion, inputs, num_items_in_batch)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                failed = True
            if self._agrees:
                failed = self.workers.any(failed)
            if failed:  # outside of the except clause, which would keep the failed portion's tensors alive
                self._restore(before)
                self._take_less(size, portion)
                continue
            loss, done = loss + part, done + size
            counts.append(int(self.workers.total(_figures_over(portion))))
        self._join_figures(logged, counts)
        if self._agrees:
            self._exchange()
        if not math.isfinite(value := float(loss)):
            raise UserError(self._no_number(value, inputs))
        return loss

    def _portion_step(self: Any, model: Any, portion: dict[str, Any], inputs: dict[str, Any], items: Any) -> Tensor:
        if "completion_mask" not in portion or "labels" in portion:
            return super().training_step(model, portion, items)  # type: ignore[misc, no-any-return]
        # DPO's losses are means: over the pairs, and the chosen answers' own loss over their tokens.
        weights = self.loss_weights
        pairs = row_count(portion) / row_count(inputs)
        tokens = float(_chosen_tokens(portion) / _chosen_tokens(inputs).clamp(min=1))
        shares = [tokens if kind == "sft" else pairs for kind in self.loss_types]
        self.loss_weights = [weight * share for weight, share in zip(weights, shares, strict=True)]
        try:
            return super().training_step(model, portion, items)  # type: ignore[misc, no-any-return]
        finally:
            self.loss_weights = weights

    def _join_figures(self: Any, logged: dict[str, int], counts: list[int]) -> None:
        """Make one figure of those that TRL noted for each portion of a step, each of which is a mean over `counts`."""
        for name, figures in self._metrics["train"].items():
            own = figures[logged.get(name, 0) :]
            if len(own) == len(counts) > 1:
                mean = sum(one * count for one, count in zip(own, counts, strict=True)) / max(1, sum(counts))
                figures[logged.get(name, 0) :] = [mean]

    @property
    def _agrees(self: Any) -> bool:
        """Whether several workers go through a step's portions together."""
        return self.workers.count > 1 and not self.is_deepspeed_enabled

    def compute_loss(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self._agrees and self.model.training:
            model = partial(self._forward, model)
        return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]

    def _forward(self: Any, model: Any, **inputs: Any) -> Any:
        """The model's output; where memory ran out on any worker it does on all, before figures are gathered."""
        output = None
        try:
            output = model(**inputs)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        if self.workers.any(output is None):
            raise MemoryError
        return output

    def _exchange(self: Any) -> None:
        """Give every worker the mean of all workers' gradients, as DDP would."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        mean = self.workers.total(torch.cat([parameter.grad.flatten() for parameter in trained])) / self.workers.count
        for parameter, part in zip(trained, mean.split([parameter.numel() for parameter in trained]), strict=True):
            parameter.grad.copy_(part.view_as(parameter))

    def _state(self: Any) -> tuple[list[tuple[Any, Tensor | None]], Any, int]:
        """What a portion changes: gradients, and the figures that TRL collects for its log."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        gradients = [(parameter, None if parameter.grad is None else parameter.grad.clone()) for parameter in trained]
        return gradients, copy.deepcopy(self._metrics), self._total_train_tokens

    def _restore(self: Any, before: tuple[list[tuple[Any, Tensor | None]], Any, int]) -> None:
        gradients, self._metrics, self._total_train_tokens = before
        for parameter, gradient in gradients:
            parameter.grad = gradient
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _take_less(self: Any, size: int, portion: dict[str, Any]) -> None:
        tell = say if self.workers.first else (lambda text: None)
        if self.is_deepspeed_enabled and self.workers.count > 1:
            raise UserError(
                f"Memory ran out at {size} rows on worker {self.workers.rank}, and DeepSpeed cannot take a step back. "
                "Lower the recipe's batch_size, raise train.workers, or give the machines more memory."
            )
        if size > 1:
            self.rows_at_once = size // 2
            tell(f"Memory ran out at {size} rows. Batches now run in portions of {size // 2}, with the same result.")
        elif checkpoint_layers(self.model):
            tell(
                "Memory ran out at a single row. Gradient checkpointing is on from here: slower, with the same result."
            )
        else:
            raise too_long(int(portion["attention_mask"].sum(1).max()))

    def _no_number(self: Any, loss: float, inputs: dict[str, Any]) -> str:
        named = ", ".join(self._ids_of(inputs))
        return (
            f"Training stopped at step {self.state.global_step + 1}: the loss is {loss}. Its batch holds the rows "
            f"{named}. Lower the learning rate in the recipe, or look at these rows. The checkpoints before this step "
            f"are kept in {self.args.output_dir}."
        )

    def _ids_of(self: Any, inputs: dict[str, Any]) -> list[str]:
        """The ids of a batch's rows, found by their tokens: only needed once, when something is wrong."""
        known = {tuple(rows[0]): id for rows, id in zip(map(sequences, self.train_dataset), self.ids, strict=True)}
        lengths = inputs["attention_mask"].sum(1).tolist()
        batch = inputs["input_ids"].tolist()[: row_count(inputs)]
        return [known.get(tuple(row[:length]), "?") for row, length in zip(batch, lengths, strict=False)]


def sequences(example: dict[str, Any]) -> list[list[int]]:
    """The token ids that one example runs through the model: one row in SFT; chosen, then rejected, in DPO."""
    if "input_ids" in example:
        return [list(example["input_ids"])]
    return [list(example["prompt_ids"]) + list(example[answer]) for answer in ("chosen_ids", "rejected_ids")]


def row_count(inputs: dict[str, Any]) -> int:
    """Rows of a collated batch; of DPO's, which holds all chosen and then all rejected answers, the pairs."""
    rows: int = inputs["input_ids"].shape[0]
    return rows // 2 if "completion_mask" in inputs and "labels" not in inputs else rows


def take(inputs: dict[str, Any], begin: int, end: int) -> dict[str, Any]:
    """Rows (pairs) `begin` to `end` of a collated batch."""
    rows = row_count(inputs)
    if (begin, end) == (0, rows):
        return dict(inputs)

    def part(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.ndim:
            return value
        if len(value) == 2 * rows:
            return torch.cat([value[begin:end], value[rows + begin : rows + end]])
        return value[begin:end]

    return {name: part(value) for name, value in inputs.items()}


def _figures_over(inputs: dict[str, Any]) -> Tensor:
    """What TRL's figures of a batch are means over: labelled tokens, or in DPO pairs with an answer."""
    labels = inputs.get("labels")
    counted: Tensor = inputs["completion_mask"].chunk(2)[0].sum(1) > 0 if labels is None else labels[:, 1:] != -100
    return counted.sum()


def _chosen_tokens(inputs: dict[str, Any]) -> Tensor:
    mask: Tensor = inputs["completion_mask"]
    return mask[: len(mask) // 2, 1:].sum()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's or the machine's memory is used up."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def too_long(length: int) -> UserError:
    """What is said where a single row does not fit."""
    return UserError(
        f"There is not enough memory to train on one row of {length} tokens, even with gradient checkpointing. "
        "Lower sft.max_tokens, choose a smaller base_model, or give the machine more memory."
    )


def checkpoint_layers(model: Any) -> bool:
    """Let the layers compute their activations again in the backward pass; False where they do so already."""
    if getattr(model, "is_gradient_checkpointing", False):
        return False
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return True
