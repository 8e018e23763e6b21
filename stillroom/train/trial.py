"""A short trial before training: what a token costs in seconds and bytes, so that the rest is known beforehand."""

import random
import time
from dataclasses import dataclass
from typing import Any

import torch

from stillroom.machine import free_memory
from stillroom.progress import say
from stillroom.train.portions import checkpoint_layers, out_of_memory, sequences, too_long
from stillroom.train.prefix import find_tree

ROWS = 4
"""Rows of the trial: enough for a shared prefix, few enough to fit where the batch does not."""
BATCHES = 64
"""Batches that are looked at to know how many tokens an epoch has."""
BUDGET = 0.7
"""Share of the free memory that a step's activations may take; gradients and the system's caches need the rest."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one computed token costs: seconds forward and backward, and bytes kept in between."""

    seconds: float
    bytes: float


def plan(trainer: Any, batches: list[list[int]], shared: bool) -> float:
    """Fit the trainer's portions into memory and estimate the whole training, in seconds.

    trainer: with Portions in front. batches: row numbers, batch by batch, of one epoch. shared: a prefix that rows of
    a batch have in common is computed once. The adapter, its gradients and the random state are left as they were.
    """
    drawn = random.Random(0).sample(batches, min(BATCHES, len(batches)))
    tokens = [_tokens(trainer, batch, shared) for batch in drawn]
    typical = drawn[tokens.index(sorted(tokens)[len(tokens) // 2])]
    rows = max((len(row) for row in batches), default=0)
    longest = sorted(range(len(trainer.train_dataset)), key=lambda row: -_length(trainer.train_dataset[row]))[:rows]
    cost = _try(trainer, typical[:ROWS], shared)
    budget = BUDGET * _free(trainer.args.device)
    short = cost.bytes * _tokens(trainer, longest[:1], shared) > budget
    if trainer.workers.any(short) and checkpoint_layers(trainer.model):
        say("Memory is short for a single row: gradient checkpointing is on. It is slower, with the same result.")
        cost = _try(trainer, typical[:ROWS], shared)
    fitting = rows
    while fitting > 1 and cost.bytes * _tokens(trainer, longest[:fitting], shared) > budget:
        fitting = (fitting + 1) // 2
    fitting = trainer.workers.least(fitting)  # all cut a batch into as many portions
    if fitting < rows:
        trainer.rows_at_once = fitting
        say(f"Memory is short for {rows} rows at once: batches run in portions of {fitting}, with the same result.")
    steps = len(batches) * trainer.args.num_train_epochs
    return float(cost.seconds * sum(tokens) / len(tokens) * steps)


def _try(trainer: Any, rows: list[int], shared: bool) -> Cost:
    """Measure a few rows; fewer where memory runs out, then with gradient checkpointing. At the end UserError."""
    while True:
        try:
            return _measure(trainer, rows, shared)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        trainer.model.zero_grad()
        if len(rows) > 1:
            rows = rows[: len(rows) // 2]
        elif not checkpoint_layers(trainer.model):
            raise too_long(_length(trainer.train_dataset[rows[0]]))


def _measure(trainer: Any, rows: list[int], shared: bool) -> Cost:
    """Run a few rows forward and backward, twice: the first time pays for what every first time pays for."""
    kept: dict[int, int] = {}
    weights = {
        tensor.untyped_storage().data_ptr() for tensor in (*trainer.model.parameters(), *trainer.model.buffers())
    }

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    seconds = 0.0
    batch = trainer.data_collator([trainer.train_dataset[row] for row in rows])
    devices = [trainer.args.device] if trainer.args.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for _ in range(2):
            kept.clear()
            started = time.perf_counter()
            inputs = trainer._prepare_inputs(dict(batch))
            trainer.model.train()
            with (
                torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
                torch.autocast(trainer.args.device.type, torch.bfloat16, enabled=trainer.args.bf16),
            ):
                outputs = _answer(trainer.model, inputs)
            outputs.log_probs.sum().backward()
            trainer.model.zero_grad()
            if devices:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - started
    tokens = _tokens(trainer, rows, shared)
    return Cost(seconds / tokens, sum(kept.values()) / tokens)


def _answer(model: Any, inputs: dict[str, Any]) -> Any:
    """What TRL's trainers ask of the model at each step."""
    labels = inputs.get("labels")
    if labels is None:
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    return model(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels, fused_lm_head=True,
        use_cache=False,
    )  # fmt: skip


def _tokens(trainer: Any, rows: list[int], shared: bool) -> int:
    """Tokens that go through the model for these rows of the data."""
    every = [sequence for row in rows for sequence in sequences(trainer.train_dataset[row])]
    return len(find_tree(every).tokens) if shared else len(every) * max(map(len, every))


def _length(example: dict[str, Any]) -> int:
    return sum(len(sequence) for sequence in sequences(example))


def _free(device: torch.device) -> int:
    """Bytes of memory that are free on the device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
