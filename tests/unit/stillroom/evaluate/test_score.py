"""Evaluating a generator: what is written, how it is grouped, what is refused."""

import hashlib
import json
from dataclasses import dataclass

import pytest

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.evaluate.score import evaluate
from stillroom.recipe.model import Recipe

BASE = {"name": "test", "instruction": "Answer.", "data": {"sources": [{"kind": "jsonl", "path": "x.jsonl"}]}}
SCHEMA = {
    "type": "object",
    "properties": {"category": {"type": "string", "enum": ["event", "spam", "other"]}},
    "required": ["category"],
    "additionalProperties": False,
}
RECIPE = Recipe.model_validate({**BASE, "output_schema": SCHEMA})
FREE = Recipe.model_validate(BASE)
ROWS = [
    Row("1", "one", {"category": "event"}, "generated"),
    Row("2", "two", {"category": "spam"}, "spam-assassin"),
    Row("3", "three", {"category": "spam"}, "spam-assassin"),
]


@dataclass
class Said:
    unconstrained: str
    constrained: str | None
    prompt_tokens: int = 10
    completion_tokens: int = 4


class Fixed:
    """Answers from a table, and remembers the calls."""

    def __init__(self, table):
        self.table, self.calls = table, []

    def answer(self, texts):
        self.calls.append(list(texts))
        return [self.table[text] for text in texts]


TABLE = {
    "one": Said('{"category":"event"}', '{"category":"event"}'),
    "two": Said('Sure! {"category":"spam"}', '{"category":"spam"}'),
    "three": Said('{"category":"junk"}', '{"category":"other"}'),
}


def test_scores_by_source_and_way_of_decoding(tmp_path):
    generator = Fixed(TABLE)
    evaluation = evaluate(RECIPE, ROWS, generator, "sft", tmp_path)
    assert generator.calls == [["one", "two", "three"]]
    assert list(evaluation["groups"]) == ["all", "generated", "spam-assassin"]
    everything, real = evaluation["groups"]["all"], evaluation["groups"]["spam-assassin"]
    assert everything["rows"] == 3 and real["rows"] == 2
    assert everything["unconstrained"]["schema_valid"]["value"] == pytest.approx(1 / 3)
    assert everything["constrained"]["schema_valid"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert everything["constrained"]["exact_match"]["value"] == pytest.approx(2 / 3)
    assert real["constrained"]["accuracy"]["category"]["value"] == 0.5
    assert set(real["constrained"]) == {"schema_valid", "exact_match", "accuracy", "field_f1", "confusion"}
    assert evaluation["model"] == "sft" and evaluation["rows"] == 3
    assert evaluation["seconds_per_row"] == pytest.approx(evaluation["seconds"] / 3)
    assert evaluation["tokens_per_second"] == pytest.approx(12 / evaluation["seconds"])
    assert json.loads((tmp_path / "evaluation.json").read_text()) == evaluation
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert lines[1] == {
        "id": "2",
        "text_sha256": hashlib.sha256(b"two").hexdigest()[:16],
        "source": "spam-assassin",
        "gold": {"category": "spam"},
        "unconstrained": 'Sure! {"category":"spam"}',
        "constrained": '{"category":"spam"}',
        "prompt_tokens": 10,
        "completion_tokens": 4,
    }


def test_two_evaluations_of_the_same_answers_give_the_same_intervals(tmp_path):
    first, second = (evaluate(RECIPE, ROWS, Fixed(TABLE), "sft", tmp_path / name) for name in "ab")
    assert first["groups"] == second["groups"]


def test_free_text_has_no_constrained_scores(tmp_path):
    rows = [Row("1", "one", "会议改到周五", "generated")]
    evaluation = evaluate(FREE, rows, Fixed({"one": Said("会议改到周五", None)}), "base", tmp_path)
    group = evaluation["groups"]["all"]
    assert group["constrained"] is None
    assert {name: interval["value"] for name, interval in group["unconstrained"].items()} == {
        "exact_match": 1.0,
        "rouge_l": 1.0,
        "token_f1": 1.0,
    }


def test_what_cannot_be_scored_is_refused(tmp_path):
    with pytest.raises(UserError, match="no rows to evaluate on"):
        evaluate(RECIPE, [], Fixed(TABLE), "sft", tmp_path)
    with pytest.raises(UserError, match=r"1 test rows have no gold answer .* 'x'"):
        evaluate(RECIPE, [Row("x", "one", None, "generated")], Fixed(TABLE), "sft", tmp_path)
    with pytest.raises(ValueError, match="no constrained answer"):
        evaluate(RECIPE, ROWS[:1], Fixed({"one": Said("{}", None)}), "sft", tmp_path)
    assert not list(tmp_path.iterdir())
