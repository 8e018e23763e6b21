"""The importance matrix: how much each column of a weight matters to the texts the model will read.

A quantiser that knows the mean squared input of every column spends its precision there. llama.cpp's own tool
measures it on any text file; here the task's own prompts and answers are measured, with the shared instruction
run once.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.export.gguf import tensor_names
from stillroom.export.prefix import SharedPrefix, common_prefix
from stillroom.progress import Progress

MAX_TEXTS = 128
# Enough for the mean of a square to settle; 10 s on two cores.
MAX_TOKENS = 6144
BATCH = 16


@dataclass(frozen=True, slots=True)
class Importance:
    """Mean squared input per column, by GGUF tensor name (float32 arrays), and what it was measured on."""

    columns: dict[str, Any]
    texts: int
    tokens: int


def importance(hf: Path, texts: Sequence[str], architecture: str) -> Importance:
    """Measure the importance matrix of a Hugging Face folder on whole training texts (prompt and answer).

    `architecture` is GGUF's general.architecture. At most 128 texts and about 6,000 tokens are read, drawn with a
    fixed seed. A linear layer that GGUF has no name for is left out; the output layer too, as llama.cpp does.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(hf)
    model: Any = AutoModelForCausalLM.from_pretrained(hf, dtype=_dtype())
    drawn = random.Random(0).sample(list(texts), min(MAX_TEXTS, len(texts)))
    sequences = [ids for text in drawn if (ids := tokenizer(text, add_special_tokens=False).input_ids)]
    if not sequences:
        raise UserError("The importance matrix needs at least one labelled training row.")
    shared = common_prefix(sequences)
    own = _within_budget([ids[shared:] for ids in sequences], MAX_TOKENS - shared)
    gathered = _Gathered(model, architecture)
    progress = Progress("Importance matrix", len(own))
    with torch.inference_mode():
        prefix = SharedPrefix(model.base_model, sequences[0][:shared])
        # Texts of like length go together: less padding.
        for start in range(0, len(own), BATCH):
            ids, gathered.mask = _padded(own[start : start + BATCH])
            prefix.hidden_states(ids, gathered.mask)
            progress.update(min(start + BATCH, len(own)))
    return Importance(gathered.means(), len(own), shared + sum(map(len, own)))


class _Gathered:
    """Hooks on every linear layer that add up the squares of its inputs."""

    def __init__(self, model: Any, architecture: str) -> None:
        import torch

        self.mask: Any = None
        self._sums: dict[str, Any] = {}
        self._counts: dict[str, int] = {}
        name_of = tensor_names(architecture, model.config)
        for module_name, module in model.base_model.named_modules(prefix=model.base_model_prefix):
            if isinstance(module, torch.nn.Linear) and (name := name_of(module_name)):
                module.register_forward_pre_hook(self._hook(f"{name}.weight"))

    def _hook(self, name: str) -> Any:
        def add(module: Any, inputs: tuple[Any, ...]) -> None:
            values = inputs[0].reshape(-1, inputs[0].shape[-1])
            if self.mask is not None and values.shape[0] == self.mask.numel():
                values = values[self.mask.reshape(-1).bool()]
            squares = values.float().square().sum(0).double()
            self._sums[name] = self._sums.get(name, 0) + squares
            self._counts[name] = self._counts.get(name, 0) + values.shape[0]

        return add

    def means(self) -> dict[str, Any]:
        return {name: (total / self._counts[name]).float().numpy() for name, total in self._sums.items()}


def _dtype() -> Any:
    """bf16 where the CPU multiplies in it (6 times fp32's speed, measured), else fp32; a mean needs no more."""
    import torch

    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(able.get(flag) for flag in ("amx_bf16", "avx512_bf16", "bf16")) else torch.float32


def _within_budget(sequences: list[list[int]], budget: int) -> list[list[int]]:
    """The first sequences that fit the budget of tokens (at least one), shortest first."""
    chosen: list[list[int]] = []
    for ids in sequences:
        if chosen and len(ids) > budget:
            break
        chosen.append(ids)
        budget -= len(ids)
    return sorted(chosen, key=len)


def _padded(sequences: list[list[int]]) -> tuple[Any, Any]:
    """Token ids and mask (batch, longest), padded on the right."""
    import torch

    longest = max(map(len, sequences))
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids in sequences])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in sequences])
    return ids, mask
