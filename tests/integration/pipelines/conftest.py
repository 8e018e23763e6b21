"""A tiny random model with a real tokenizer, and a recipe that trains it in seconds."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from stillroom.models.base import packaged_tokenizer

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    folder = tmp_path_factory.mktemp("tiny") / "model"
    LlamaForCausalLM(config).save_pretrained(folder)
    packaged_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_recipe(tmp_path: Path, tiny_model: Path) -> dict[str, Any]:
    """A recipe as data: mail or spam, by one word in the text. Write it with `write_recipe`."""
    animals = ("otter", "heron", "badger", "lynx", "marten", "plover", "stoat", "wren", "ibex", "vole")
    places = ("river", "marsh", "forest", "meadow", "cliff", "orchard")
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number, (animal, place) in enumerate((a, p) for a in animals for p in places):
            category = "spam" if number % 2 else "other"
            words = "buy cheap pills and win a prize" if number % 2 else "we counted them from the hide at dawn"
            text = f"The {animal} of the {place}: {words}, note {number * 7919 % 1000} {animal}{place}."
            writer.writerow([text, json.dumps({"category": category})])
    schema = {
        "type": "object",
        "properties": {"category": {"enum": ["spam", "other"]}},
        "required": ["category"],
        "additionalProperties": False,
    }
    return {
        "name": "tiny",
        "base_model": str(tiny_model),
        "instruction": "Is the text spam?",
        "output_schema": schema,
        "data": {
            "sources": [{"kind": "csv", "path": "rows.csv"}],
            "cleaning": {"near_duplicate_threshold": 1.0},
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        },
        "sft": {"epochs": 1, "batch_size": 8, "lora": {"rank": 4}},
        "dpo": {"pairs": 8, "batch_size": 4, "rules": ["extra_field", "broken_json"], "own_errors": False},
        "export": {"formats": ["F16", "Q8_0"], "max_loss_points": 100},
        "gates": {
            "better_than_base": False,
            "dpo_not_worse": False,
            "schema_valid_unconstrained": 0.0,
            "schema_valid_constrained": 1.0,
        },
        "serve": {"max_answer_tokens": 16, "context_tokens": 512},
    }
