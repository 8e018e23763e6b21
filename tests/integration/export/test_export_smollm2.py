"""The packaged model through the whole export: about a minute on two cores."""

import random
from pathlib import Path

import pytest

from stillroom.data.rows import Row
from stillroom.export.export import base_gguf, export
from stillroom.export.gguf import check_gguf, read_metadata
from stillroom.export.gguf_file import read_gguf
from stillroom.models.base import resolve_base_model
from stillroom.recipe.model import Recipe

INSTRUCTION = "Say what the mail announces. Answer with one JSON object that has the keys category and events."
PLACES = ["Berlin", "the garden", "会议室", "Raum Ä4", "room 12"]


@pytest.fixture(scope="module")
def base() -> Path:
    return resolve_base_model("smollm2-135m-instruct")


def rows() -> list[Row]:
    chance = random.Random(0)
    texts = (f"Subject: Meeting {n}\n\nWe meet in {chance.choice(PLACES)} at {n % 12}:30 🎉\n\n{n}." for n in range(40))
    return [Row(str(n), text, {"category": "event"}, "test") for n, text in enumerate(texts)]


def render(row: Row) -> tuple[str, str]:
    prompt = (
        f"<|im_start|>system\n{INSTRUCTION}<|im_end|>\n<|im_start|>user\n{row.text}<|im_end|>\n<|im_start|>assistant\n"
    )
    return prompt, '{"category":"event","events":[]}<|im_end|>\n'


def test_export_of_the_packaged_model(base: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {"name": "mails", "instruction": INSTRUCTION, "data": {"sources": [{"kind": "csv", "path": "rows.csv"}]}}
    )
    result = export(recipe, base, None, rows(), render, tmp_path)
    sizes = {entry["format"]: entry["bytes"] for entry in result["formats"]}
    assert list(sizes) == ["F16", "Q8_0", "Q4_K_M", "Q4_0"]
    assert sizes["F16"] > sizes["Q8_0"] > sizes["Q4_K_M"] > sizes["Q4_0"]
    assert result["imatrix"]["tensors"] == 210, "seven linear layers in each of 30 blocks"
    assert result["verify"]["answer_tokens"] > 40
    for entry in result["formats"]:
        check_gguf(tmp_path / entry["file"])


def test_untouched_model(base: Path, tmp_path: Path) -> None:
    out = base_gguf(base, tmp_path / "base.gguf")
    assert read_metadata(out)["tokenizer.chat_template"] == (base / "chat_template.jinja").read_text()
    assert read_gguf(out).tensors["blk.0.ffn_up.weight"].type == "F16"
