"""What a checkpoint was trained for, so that another recipe or other data never go on from it."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe

FILE = "trained_for.json"
"""File in every checkpoint."""
FREE = {f"train.{key}" for key in (
    "workers", "min_workers", "max_workers", "storage", "worker_timeout_seconds", "max_restarts",
)}  # fmt: skip
"""Keys that may change between the parts of one training: they decide where it runs, and not what it computes."""


def identity(recipe: Recipe, section: str, samples: Iterable[Any]) -> dict[str, Any]:
    """Every key of the recipe that a training reads, with its value, and the sha256 of its samples.

    section: `pretrain`, `sft` or `dpo`. samples: what is trained on, in JSON's types.
    """
    document = recipe.model_dump(mode="json")
    keys: dict[str, Any] = {}
    for name in dict.fromkeys(("base_model", "instruction", "output_schema", "pretrain", section, "train")):
        _flatten(name, document[name], keys)
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(json.dumps(sample).encode())
    return {key: value for key, value in keys.items() if key not in FREE} | {"the data": digest.hexdigest()[:12]}


def mark(checkpoint: Path, of: dict[str, Any]) -> None:
    """Leave the identity of its training in a checkpoint."""
    write_json(checkpoint / FILE, of)


def refuse_others(checkpoint: Path, of: dict[str, Any]) -> None:
    """Raise UserError, with what differs, where a checkpoint belongs to another training."""
    theirs = read_json(checkpoint / FILE) if (checkpoint / FILE).exists() else {}
    differ = [key for key in of.keys() | theirs.keys() if key not in of or key not in theirs or of[key] != theirs[key]]
    if not differ:
        return
    if not theirs:
        found = "it does not say which"
    else:
        shown = [f"{key} is {_short(of.get(key))} here and {_short(theirs.get(key))} there" for key in sorted(differ)]
        found = "; ".join(shown[:4]) + (f"; and {len(shown) - 4} more" if len(shown) > 4 else "")
    raise UserError(
        f"The checkpoint {checkpoint} belongs to another training ({found}). Nothing was trained. Put the recipe and "
        f"its data back to go on from it, or remove {checkpoint.parent} (of workers: choose another train.storage) to "
        "begin anew."
    )


def _flatten(name: str, value: Any, keys: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, keys)
    else:
        keys[name] = value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"
