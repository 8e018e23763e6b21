"""The table: scores by hand, the best and what is within the noise, and a state that goes on."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_sweep import CLASSES, WORDS, answers, made, recipe, write_variant

from pipelines.sweep_outcome import sweep_outcome
from stillroom.errors import UserError
from stillroom.evaluate.bootstrap import mean_interval
from stillroom.files import read_json, write_jsonl
from stillroom.recipe.model import Recipe
from stillroom.sweep import state as states
from stillroom.sweep.classes import class_scores
from stillroom.sweep.grid import parse_axes, variants
from stillroom.sweep.recipes import recipes
from stillroom.sweep.table import compared, measured, scored


def gold(kinds: str) -> list[dict[str, str]]:
    return [{"category": dict(zip("seo", CLASSES, strict=True))[kind], "title": "x"} for kind in kinds]


def text(kinds: str) -> list[str]:
    return [str(answer).replace("'", '"') if kind != "!" else "no JSON" for kind, answer in
            zip(kinds, gold(kinds.replace("!", "s")), strict=True)]  # fmt: skip


def test_classes_by_hand() -> None:
    found = class_scores(recipe(), gold("sssee"), text("sse!e"))
    assert found is not None
    # spam: 2 right, 1 missed. event: 1 right, 1 missed, 1 too many. other: nobody's, so it is no part of the mean.
    assert {name: one["value"] for name, one in found["class_f1"].items()} == {"spam": 4 / 5, "event": 2 / 4}
    assert found["macro_f1"]["value"] == pytest.approx((4 / 5 + 1 / 2) / 2)
    assert found["macro_f1"]["low"] <= found["macro_f1"]["value"] <= found["macro_f1"]["high"]
    assert found["confusion"] == {
        "labels": [*CLASSES, "(invalid)"],
        "counts": [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
    }
    assert class_scores(recipe(None), ["a"], ["a"]) is None


def test_a_class_that_was_not_drawn_is_no_part_of_a_resamples_mean() -> None:
    always, rare = np.array([[1.0, 1.0]] * 10), np.zeros((10, 2))
    rare[0] = [0.0, 1.0]  # one row, and wrong: without it the mean of a resample is that of the other class, 1
    interval = mean_interval([always, rare])
    assert interval["value"] == 0.5 and (interval["low"], interval["high"]) == (0.5, 1.0)
    # A class of one row that is missed is missed: resamples without it say nothing, and make no perfect score of it.
    assert mean_interval([rare]) == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished sweep, made once."""
    at = tmp_path_factory.mktemp("kept")
    return at, made(at)


@pytest.fixture
def finished(kept: tuple[Path, Any], tmp_path: Path) -> Any:
    """A copy of it in `tmp_path`."""
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    return deepcopy(kept[1])


def test_the_best_is_marked_and_the_noise_is_told(tmp_path: Path, finished: Any) -> None:
    state = finished
    done = [row for row in state["variants"] if row["state"] == "done"]
    assert len(done) == 6 and len(state["variants"]) == 8
    best = max(done, key=lambda row: row["scores"]["exact_match"]["value"])
    assert state["best"] == best["name"] and best["behind"] is None
    second = next(row for row in done if row["name"] == state["next"])
    assert state["difference"] == second["behind"]
    assert not state["clear"] and second["behind"]["low"] <= 0 <= second["behind"]["high"]
    worst = min(done, key=lambda row: row["scores"]["exact_match"]["value"])
    assert worst["behind"]["low"] > 0
    assert read_json(tmp_path / "sweep.json") == state
    said = sweep_outcome(state, recipe(), tmp_path)
    assert f"{state['next']} is within the noise" in said and said.count("failed: Training stopped at step 3") == 2


def test_a_clear_lead_is_called_one(tmp_path: Path) -> None:
    state = made(tmp_path, shares=(1.2, 0.5))
    assert state["clear"] and f"clearly ahead of {state['next']}" in sweep_outcome(state, recipe(), tmp_path)


def test_equal_scores_are_told_apart_by_their_cost(tmp_path: Path) -> None:
    rows = []
    for name, seed in (("dear", 7), ("cheap", 3)):
        write_variant(tmp_path / name, seed, 0.9)
        write_jsonl(tmp_path / name / "evaluations/sft/answers.jsonl", answers(1, 0.9))
        rows.append({"name": name, "state": "done", **(measured(recipe(), tmp_path / name) or {})})
    found = compared(recipe(), rows, tmp_path)
    assert found["best"] == "cheap" and found["difference"]["value"] == 0 and not found["clear"]


def test_nothing_measured_has_no_best(tmp_path: Path) -> None:
    state = made(tmp_path, shares=())
    assert state["best"] is None and not state["clear"]
    assert sweep_outcome(state, recipe(), tmp_path).endswith("No variant could be measured.")


def test_free_text_is_ranked_by_token_f1(tmp_path: Path) -> None:
    free = recipe(None)
    for name, said in (("good", "the whole answer"), ("bad", "the wrong one")):
        write_variant(tmp_path / name, 1, 0.9)
        lines = [
            {"id": str(n), "source": "a", "gold": "the whole answer", "unconstrained": said, "constrained": None}
            for n in range(5)
        ]
        write_jsonl(tmp_path / name / "evaluations/sft/answers.jsonl", lines)
    rows = [{"name": n, "state": "done", **(measured(free, tmp_path / n) or {})} for n in ("bad", "good")]
    found = compared(free, rows, tmp_path)
    assert found["best"] == "good" and found["difference"]["value"] == pytest.approx(2 / 3)
    assert rows[0]["scores"]["schema_valid"] is None and rows[0]["classes"] is None


def test_a_sweep_is_gone_on_with(tmp_path: Path, finished: Any) -> None:
    state = finished
    row = state["variants"][0]
    assert states.done(state, row["name"], "stamp 0", recipe(), tmp_path)
    assert not states.done(state, row["name"], "another stamp", recipe(), tmp_path)
    (tmp_path / row["name"] / "sft" / "step.json").unlink()
    assert not states.done(state, row["name"], "stamp 0", recipe(), tmp_path)
    axes = parse_axes(["sft.epochs=[1]", "data.balance=[none]"])
    again = states.opened(tmp_path, recipe(), axes, variants(axes))
    assert again["variants"][0]["name"] == "balance-none_epochs-1"
    assert [one["state"] for one in again["variants"]] == ["waiting", *["done"] * 6], "failures of other grids are not"


def test_another_recipe_begins_anew_until_test_has_been_seen(tmp_path: Path, finished: Any) -> None:
    state, other = finished, recipe().model_copy(update={"instruction": "Another."})
    axes = parse_axes(WORDS)
    assert {row["state"] for row in states.opened(tmp_path, other, axes, variants(axes))["variants"]} == {"waiting"}
    state["test"] = {"variant": state["best"], "result": scored(recipe(), tmp_path / state["best"]), "scored": "now"}
    states.save(state, recipe(), tmp_path)
    assert states.opened(tmp_path, recipe(), axes, variants(axes))["test"] == state["test"]
    with pytest.raises(UserError, match="Choose another folder with --run DIR"):
        states.opened(tmp_path, other, axes, variants(axes))
    state["test"]["variant"] = state["next"]
    assert f"so {state['best']} has no such score" in sweep_outcome(state, recipe(), tmp_path)


def test_data_is_shared_by_links(tmp_path: Path) -> None:
    write_variant(tmp_path / "one", 1, 0.9)
    write_jsonl(tmp_path / "one" / "data" / "train.jsonl", [{"a": 1}])
    states.share(tmp_path / "two", [tmp_path / "none", tmp_path / "one"], "prepare")
    one, two = (tmp_path / name / "data" / "train.jsonl" for name in ("one", "two"))
    assert one.stat().st_ino == two.stat().st_ino
    assert not (tmp_path / "two" / "sft").exists()


@pytest.fixture
def loaded(tmp_path: Path, make_loaded: Callable[[Path], Recipe]) -> Recipe:
    return make_loaded(tmp_path)


@pytest.fixture
def make_loaded() -> Callable[[Path], Recipe]:
    from stillroom.recipe.load import load_recipe

    def make(folder: Path) -> Recipe:
        (folder / "r.yaml").write_text(
            "name: r\ninstruction: Say it.\ndata: {sources: [{kind: generated-event-mail, sample: 20}]}\n"
            "sft: {lora: {rank: 4}}\n"
        )
        return load_recipe(folder / "r.yaml")

    return make


def made_of(loaded: Recipe, folder: Path, *words: str) -> list[Recipe]:
    return recipes(loaded, variants(parse_axes(words)), folder)


def test_each_variant_is_the_recipe_with_its_values(loaded: Recipe, tmp_path: Path) -> None:
    made = made_of(loaded, tmp_path, "sft.loss=[response,full]", "sft.use_rslora=[true]")
    assert [one.sft.loss for one in made] == ["response", "full"]
    assert all(one.sft.lora.use_rslora and one.sft.lora.rank == 4 for one in made)
    assert made[0].model_copy(update={"sft": loaded.sft}) == loaded


def test_faults_of_variants_are_said_once(loaded: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        made_of(loaded, tmp_path, "sft.loss=[full,ful]", "data.balance=[none,downsample]", "base_model=[./no]")
    lines = str(raised.value).splitlines()
    assert lines[0] == "Nothing was started: variants of the grid are no sound recipes."
    assert {line.partition(":")[0] for line in lines[1:]} == {"sft.loss", "data.balance", "base_model"}
    assert any("no such folder" in line and "(in 4 of 4 variants, the first is " in line for line in lines)
    assert any("the task has no classes" in line and "(in 2 of 4 variants" in line for line in lines)


def test_a_word_without_an_axis_must_be_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from stillroom.cli import group

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(group.COMMANDS, "sweep", ("pipelines.sweep_cli:sweep", "x"))
        assert group.run(["sweep", "--grid", "sft.epochs=[1,", "2]", str(tmp_path / "a.yaml")]) == 2
        assert "These are 2: 2], " in capsys.readouterr().err
        assert group.run(["sweep", "sft.epochs=[1]"]) == 2
        assert "There is none" in capsys.readouterr().err


def test_a_value_of_any_kind_may_be_swept(loaded: Recipe, tmp_path: Path) -> None:
    made: Any = made_of(loaded, tmp_path, "train.quantization_aware=[null,Q4_0]", "sft.decision_weight=[1,2.5]")
    found = [(one.train.quantization_aware, one.sft.decision_weight) for one in made]
    assert found == [(None, 1), (None, 2.5), ("Q4_0", 1), ("Q4_0", 2.5)]
