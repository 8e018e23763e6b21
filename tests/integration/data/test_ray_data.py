"""The steps of cleaning give the same on Ray Data as on this machine's cores."""

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from stillroom.data.prepare import prepare
from stillroom.recipe.model import Recipe

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="stillroom[cluster] is not installed")
FILES = ("train.jsonl", "validation.jsonl", "test.jsonl", "rejected.jsonl", "data_report.json")


def test_ray_data_gives_the_same_files(tmp_path: Path) -> None:
    import ray

    from components.ray_data import ray_data

    rows = [
        {"text": f"Letter {n} about {n * n} of {n % 7}, write to p{n}@firma{n}.de", "label": "a"} for n in range(700)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [*rows, {"text": "", "label": "a"}])))
    cleaning = {"repair": True, "boilerplate_documents": 600, "pii": {"vault": str(tmp_path / "v.vault")}}
    data = {"sources": [{"kind": "jsonl", "path": "a.jsonl"}], "cleaning": cleaning}
    recipe = Recipe.model_validate({"name": "small", "instruction": "Sort it.", "data": data})
    prepare(recipe, tmp_path, tmp_path / "here")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        (tmp_path / "there").mkdir()
        prepare(recipe, tmp_path, tmp_path / "there", partial(ray_data, tmp_path / "there"))
    finally:
        ray.shutdown()
    for name in FILES:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
