"""Preferences by a judge: both orders, ties dropped, mixed with the pairs made by rule."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Asked, Loopback, said

from stillroom.data.rows import Row
from stillroom.preferences.judged import judge_pairs, judged_pairs
from stillroom.preferences.pairs import build_preferences
from stillroom.recipe.load import RecipeError, load_recipe
from stillroom.recipe.model import Recipe
from stillroom.teacher.client import Client

Connect = Callable[..., Client]
SCHEMA = {
    "type": "object",
    "properties": {"topic": {"enum": ["billing", "delivery"]}, "urgent": {"type": "boolean"}},
    "required": ["topic", "urgent"],
    "additionalProperties": False,
}


def recipe_of(schema: Any, url: str = "packaged", **dpo: Any) -> Recipe:
    return Recipe.model_validate({
        "name": "x", "instruction": "Sum up.", "output_schema": schema,
        "data": {"sources": [{"kind": "generated-event-mail", "sample": 1}]},
        "teacher": {"base_url": url, "model": "m", "timeout_s": 5.0} if url != "packaged" else {},
        "dpo": {"pairs": 8, "judge": 5, "rules": ["prose_around"], **dpo},
    })  # fmt: skip


ROWS = [Row(str(n), f"text {n}", f"gold {n}", "s") for n in range(6)]
OWN = {
    "0": "gold 0",
    "1": "a better own 1",
    "2": "a worse own 2",
    "3": "an equal own 3",
    "4": "whichever is first 4",
    "5": "",
}


def judge(asked: Asked) -> Answer:
    """Prefers "better", rejects "worse", and for text 4 whatever stands first: judges do that."""
    prompt = asked.prompt
    first = prompt.partition("The first answer:\n")[2].partition("\n")[0]
    if "text 4" in prompt:
        return said({"reason": "it came first", "better": "first"})
    if "an equal own" in prompt:
        return said({"reason": "the same", "better": "equal"})
    own_is_better = "a better own" in prompt
    return said({"reason": "so it is", "better": "first" if ("own" in first) == own_is_better else "second"})


def test_pairs_are_judged_in_both_orders_and_ties_are_dropped(server: Loopback, connect: Connect) -> None:
    server.reply = judge
    found = judge_pairs(connect(), recipe_of(None), ROWS, OWN, 10)
    assert [(pair["chosen"], pair["rejected"], pair["rule"]) for pair in found.pairs] == [
        ("a better own 1", "gold 1", "judged"),
        ("gold 2", "a worse own 2", "judged"),
    ]
    assert [(item["id"], item["reason"]) for item in found.dropped] == [("3", "a tie"), ("4", "a tie")]
    assert len(server.asked) == 8  # the right answer and the empty one are not asked about
    assert all(asked.body["temperature"] == 0 for asked in server.asked)


def test_under_a_schema_a_doubted_label_goes_to_people(server: Loopback, connect: Connect) -> None:
    rows = [Row(str(n), f"text {n}", {"topic": "billing", "urgent": False}, "s") for n in (1, 2)]
    own = {"1": '{"topic":"delivery","urgent":false}', "2": '{"topic":"billing","urgent":true}'}

    def reply(asked: Asked) -> Answer:
        first = asked.prompt.partition("The first answer:\n")[2].partition("\n")[0]
        return said({"reason": "r", "better": "second" if "billing" in first and "false" in first else "first"})

    server.reply = reply
    found = judge_pairs(connect(), recipe_of(SCHEMA), rows, own, 10)
    assert found.pairs == [] and {item["reason"] for item in found.dropped} == {
        "the judge prefers the model's answer to the label"
    }
    assert found.dropped[0]["label"] == '{"topic":"billing","urgent":false}' and found.dropped[0]["answer"] == own["1"]


def test_a_judge_without_a_verdict_gives_no_pair(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: said("both are fine")
    found = judge_pairs(connect(), recipe_of(None), ROWS[:2], OWN, 10)
    assert found.pairs == [] and found.dropped[0]["reason"].startswith("no verdict of the judge: 3 answers")


def test_judged_pairs_are_mixed_with_those_made_by_rule(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    server.reply = judge
    recipe = recipe_of(None, server.url)
    judged = judged_pairs(recipe, ROWS, OWN, tmp_path)
    report = build_preferences(recipe, ROWS, OWN, tmp_path, judged)
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert report["by_rule"] == {"prose_around": 6, "judged": 2} and report["own_errors"] == 0 and len(pairs) == 8
    assert sorted(pair["rule"] for pair in pairs) == ["judged"] * 2 + ["prose_around"] * 6
    assert report["notes"][-1] == (
        "The judge compared 4 of the model's own answers with their labels: 2 pairs; 2 × a tie."
    )
    dropped = [json.loads(line)["reason"] for line in (tmp_path / "judged.rejected.jsonl").read_text().splitlines()]
    assert dropped == ["a tie", "a tie"]
    cost = json.loads((tmp_path / "judged.json").read_text())["cost"]
    assert cost[-1]["paid"] == 8


def test_a_judge_needs_own_answers(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: x\ninstruction: y\ndata: {sources: [{kind: generated-event-mail, sample: 1}]}\n"
        "dpo: {judge: 5, own_errors: false}\n"
    )
    with pytest.raises(RecipeError, match=r"dpo\.judge: there is nothing to judge without the model's own answers"):
        load_recipe(path)
