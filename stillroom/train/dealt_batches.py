"""What a TRL trainer does otherwise when it is one of several workers, each with its part of every batch.

A batch of the recipe is one batch whatever number of workers computes it: its rows are dealt out, losses are divided by
what the whole batch holds, and gradients are averaged by torch's own DDP or by DeepSpeed. So two workers take the steps
that one would take, up to float rounding, and their number may change from one checkpoint to the next.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler

from stillroom.train.portions import Portions
from stillroom.train.workers import Workers

Row = dict[str, Any]


class RankBatches(Sampler[list[int]]):
    """Of each batch of the recipe, the rows of one worker: row numbers, or ~row for a blank.

    Rows are dealt out in turn. All workers get as many, because they gather their figures row by row; where rows are
    too few the last ones get a blank made of the batch's first row, which counts nothing.
    """

    def __init__(self, order: Any, batch_size: int, workers: Workers) -> None:
        """order: the row numbers of an epoch, the same for every worker."""
        self.batch_sampler = order  # transformers looks for this name to tell it the epoch
        self._batch_size, self._workers = batch_size, workers

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        if hasattr(self.batch_sampler, "set_epoch"):
            self.batch_sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return math.ceil(len(self.batch_sampler) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in BatchSampler(self.batch_sampler, self._batch_size, drop_last=False):
            rows = batch[self._workers.rank :: self._workers.count]
            blanks = math.ceil(len(batch) / self._workers.count) - len(rows)
            yield rows + [~batch[0]] * blanks


class RowsAndBlanks(Dataset[Row]):
    """The rows of a data set, and for a negative number the blank of row ~number."""

    def __init__(self, rows: Any, blank: Callable[[Row], Row]) -> None:
        self._rows, self._blank = rows, blank

    def __getitem__(self, number: int) -> Row:
        row: Row = self._rows[number if number >= 0 else ~number]
        return row if number >= 0 else self._blank(row)


def blank_sample(row: Row) -> Row:
    """Two tokens of an SFT row, none of them trained on."""
    return {"input_ids": row["input_ids"][:2], "labels": [-100, -100], "weights": [0.0, 0.0]}


def blank_pair(row: Row) -> Row:
    """Two tokens of a preference pair, without any answer; sure to be as likely as in the reference."""
    empty = {"prompt_ids": row["prompt_ids"][:2], "chosen_ids": [], "rejected_ids": []}
    return empty | {name: 0.0 for name in row if name.startswith("ref_")}


class SharesBatches:
    """What a TRL trainer does otherwise when it is one of several workers; put it before the trainer's class."""

    workers: Workers
    blank: Callable[[Row], Row]

    def get_train_dataloader(self: Any) -> Any:
        if self.workers.count == 1:
            return super().get_train_dataloader()  # type: ignore[misc]
        order = self._get_train_sampler(self.train_dataset)
        if isinstance(order, RandomSampler):
            from accelerate.data_loader import SeedableRandomSampler

            # As accelerate would replace it, so that the order is that of one worker.
            order = SeedableRandomSampler(order.data_source, data_seed=self.args.seed)
        return self._rank_loader(self.train_dataset, order, self._train_batch_size)

    def get_eval_dataloader(self: Any, eval_dataset: Any = None) -> Any:
        if self.workers.count == 1:
            return super().get_eval_dataloader(eval_dataset)  # type: ignore[misc]
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        return self._rank_loader(rows, range(len(rows)), self.args.eval_batch_size)

    def _rank_loader(self: Any, rows: Any, order: Any, batch_size: int) -> DataLoader[Row]:
        rows = self._remove_unused_columns(rows)
        return DataLoader(
            RowsAndBlanks(rows, self.blank),
            batch_sampler=RankBatches(order, batch_size, self.workers),
            collate_fn=self.data_collator,
        )

    def compute_loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        result = super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if self.workers.count > 1 and self.model.training:
            wanted = inputs["completion_mask"] > 0 if "completion_mask" in inputs else inputs["labels"] != -100
            blank = inputs["attention_mask"][~wanted.any(1)].sum()
            self._total_train_tokens -= int(self.workers.total(blank))  # of which TRL logs the sum
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        return result

    def prediction_step(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        result = super().prediction_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        tokens = int((inputs["labels"][:, 1:] != -100).sum())
        self.held_out += torch.tensor([float(result[0]) * tokens, tokens], dtype=torch.float64)
        return result

    def evaluation_loop(self: Any, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """The loss is the mean over all labelled tokens, not over batches, which workers cut otherwise."""
        self.held_out = torch.zeros(2, dtype=torch.float64)
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)  # type: ignore[misc]
        loss, tokens = self.workers.total(self.held_out.to(self.args.device)).tolist()
        output.metrics[f"{metric_key_prefix}_loss"] = loss / max(1.0, tokens)
        return output


class SharesPairs(SharesBatches):
    """The same for DPO, whose losses and figures are means over a worker's own rows."""

    def _portion_step(self: Any, model: Any, portion: Row, inputs: Row, items: Any) -> Tensor:
        """A portion's losses are parts of the means over the batch of all workers."""
        if self.workers.count == 1:
            return super()._portion_step(model, portion, inputs, items)  # type: ignore[misc, no-any-return]
        real, tokens = _real_pairs(inputs)
        self.of_batch = self.workers.total(torch.stack([real.sum(), tokens])).tolist()
        return super(Portions, self).training_step(model, portion, items)  # type: ignore[misc, no-any-return]

    def _compute_loss(self: Any, model: Any, inputs: Any, return_outputs: bool) -> Any:
        if self.workers.count == 1:
            return super()._compute_loss(model, inputs, return_outputs)  # type: ignore[misc]
        (real, own_tokens), (pairs, tokens) = _real_pairs(inputs), self.of_batch
        # TRL's means over the own rows and tokens become parts of the means over the batch; DDP averages over workers.
        own = {"sigmoid": len(real) / pairs, "sft": int(own_tokens) / tokens}
        of_recipe = self.loss_types, self.loss_weights
        # A worker with blanks alone has no token to take the mean of.
        kinds = [(kind, weight) for kind, weight in zip(*of_recipe, strict=True) if own[kind]]
        self.loss_types = [kind for kind, _ in kinds]
        self.loss_weights = [weight * own[kind] * self.workers.count for kind, weight in kinds]
        try:
            with _without_blanks(self.accelerator, real):
                loss = super()._compute_loss(model, inputs, return_outputs)  # type: ignore[misc]
        finally:
            self.loss_types, self.loss_weights = of_recipe
        # A blank's preference is undecided: that adds log 2 to the figure, and nothing to a gradient.
        return loss - math.log(2) * int((~real).sum()) * self.workers.count / pairs

    def with_reference(self: Any, rows: Any, batch_size: int) -> Any:
        """The data set with each pair's reference log-probs, every worker computing its part.

        TRL hands them over in a file that the first worker writes, which others need not see.
        """
        model = self.model
        if self.is_deepspeed_enabled:
            from trl.models.utils import prepare_deepspeed

            model = prepare_deepspeed(model, self.accelerator)
        found = torch.zeros(2, len(rows), dtype=torch.float64)
        for begin in range(0, len(rows), batch_size * self.workers.count):
            batch = range(begin, min(len(rows), begin + batch_size * self.workers.count))
            own = list(batch[self.workers.rank :: self.workers.count])
            # Under ZeRO-3 all must compute, for each holds a part of the weights.
            inputs = self._prepare_inputs(self.data_collator([rows[row] for row in own or [begin]]))
            log_probs = torch.stack(self.compute_ref_log_probs(model, inputs)).double().cpu()
            found[:, own] = log_probs[:, : len(own)]
        chosen, rejected = self.workers.total(found.to(self.args.device)).tolist()
        return rows.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)


def _real_pairs(inputs: Row) -> tuple[Tensor, Tensor]:
    """Which pairs of a batch are no blanks, and the number of their chosen answers' tokens."""
    chosen = inputs["completion_mask"][:, 1:].chunk(2)[0]
    return chosen.sum(1) > 0, chosen.sum()


@contextmanager
def _without_blanks(accelerator: Any, real: Tensor) -> Iterator[None]:
    """Let figures that are gathered row by row come without the blanks' rows."""
    gather = accelerator.gather
    kept = gather(real)

    def gather_real(values: Any) -> Any:
        gathered = gather(values)
        return gathered[kept] if isinstance(values, Tensor) and values.shape[:1] == real.shape else gathered

    accelerator.gather = gather_real
    try:
        yield
    finally:
        del accelerator.gather
