import json
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.export import export as module
from stillroom.export.export import base_gguf, export
from stillroom.export.gguf import read_metadata
from stillroom.export.gguf_file import read_gguf
from stillroom.files import sha256
from stillroom.recipe.model import Recipe

ROWS = [Row(str(n), f"mail {n} at {n}:30", "yes", "test") for n in range(12)]


def recipe(formats: list[str]) -> Recipe:
    source = {"kind": "csv", "path": "rows.csv"}
    fields: dict[str, Any] = {"instruction": "Answer.", "data": {"sources": [source]}, "export": {"formats": formats}}
    return Recipe.model_validate({"name": "tiny-mails", **fields})


def render(row: Row) -> tuple[str, str]:
    return f"<|im_start|>user\nAnswer.\n{row.text}<|im_end|>\n<|im_start|>assistant\n", f"{row.label}<|im_end|>"


def test_export(tiny: Path, tmp_path: Path) -> None:
    result = export(recipe(["Q4_0", "F32"]), tiny, None, ROWS, render, tmp_path)
    assert [entry["format"] for entry in result["formats"]] == ["F16", "Q4_0", "F32"], "one 16-bit file is always made"
    assert json.loads((tmp_path / "export.json").read_text()) == result
    for entry in result["formats"]:
        file = tmp_path / entry["file"]
        assert entry["file"] == f"tiny-mails-{entry['format']}.gguf"
        assert (entry["bytes"], entry["sha256"]) == (file.stat().st_size, sha256(file))
        assert read_metadata(file)["general.name"] == "tiny-mails"
    assert read_gguf(tmp_path / "tiny-mails-F32.gguf").tensors["token_embd.weight"].type == "F32"
    assert result["verify"]["prompts"] == 4
    assert result["imatrix"] == {"tensors": 14, "texts": 12, "tokens": result["imatrix"]["tokens"]}
    assert set(result["seconds"]) == {"merge", "F16", "verify", "imatrix", "Q4_0", "F32"}
    assert not (tmp_path / "merged").exists()


def test_without_labelled_rows(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="labelled training rows"):
        export(recipe(["F16"]), tiny, None, [Row("1", "text", None, "test")], render, tmp_path)


def test_sixteen_bit_choice() -> None:
    assert module._with_16_bit(["Q8_0", "BF16", "Q8_0"], 1.0) == ["Q8_0", "BF16"]
    assert module._with_16_bit(["Q8_0"], 1.0) == ["F16", "Q8_0"]
    assert module._with_16_bit(["Q8_0"], 1e5) == ["BF16", "Q8_0"]


def test_base_gguf_is_converted_once(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def convert(hf: Path, out: Path, format: str, name: str) -> None:
        asked.append(hf)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(format.encode())

    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "convert", convert)
    for _ in range(2):
        assert base_gguf(tiny, tmp_path / "run" / "base.gguf").read_bytes() == b"F16"
    assert asked == [tiny]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["base.gguf"]
