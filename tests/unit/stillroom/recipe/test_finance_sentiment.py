"""The shipped recipe finance-sentiment: every profile is sound, and its hub profile reads what the hub holds."""

import csv
from pathlib import Path

import pytest

from stillroom.data.prepare import prepare
from stillroom.recipe.load import load_recipe

ROOT = Path(__file__).parents[4]
RECIPE = ROOT / "recipes/finance-sentiment.yaml"


@pytest.mark.parametrize("profile", [None, "weighted", "downsampled", "hub"])
def test_every_profile_is_sound(profile: str | None) -> None:
    recipe = load_recipe(RECIPE, profile)
    assert (recipe.data.balance, recipe.sft.class_weights) == {
        None: ("none", "none"),
        "weighted": ("none", "balanced"),
        "downsampled": ("downsample", "none"),
        "hub": ("none", "balanced"),
    }[profile]


def test_numbers_of_the_hub_become_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder laid out as that data set is: CSV with text and a number."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tweets"
    folder.mkdir()
    with (folder / "train.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows(
            [f"$T{n} {'abcdefghij'[n % 10]}{n} moves {n * 31} points today on {n}", n % 3] for n in range(60)
        )
    recipe = load_recipe(RECIPE, "hub")
    source = recipe.data.sources[0].model_copy(update={"path": str(folder), "sample": None})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": [source]})})
    report = prepare(recipe, tmp_path, tmp_path / "out")
    classes = report["splits"]["train"]["classes"]
    assert set(classes) == {"negative", "neutral", "positive"} and sum(classes.values()) >= 30
    assert not report["dropped"]
