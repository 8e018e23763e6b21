"""Pair building: balance, own errors, no repeats, and what is said when pairs run short."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.preferences.pairs import build_preferences
from stillroom.recipe.model import Recipe

EVENT = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    },
    "required": ["title", "date"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["event", "spam", "other"]},
        "events": {"type": "array", "items": EVENT, "maxItems": 2},
    },
    "required": ["category", "events"],
    "additionalProperties": False,
}
EVENT_RULES = ("value_not_in_text", "wrong_date_format", "duplicate_event")


def recipe(schema=SCHEMA, **dpo):
    return Recipe.model_validate(
        {
            "name": "test",
            "instruction": "Answer.",
            "output_schema": schema,
            "data": {"sources": [{"kind": "jsonl", "path": "x.jsonl"}]},
            "dpo": dpo,
        }
    )


def mails(events, others):
    rows = [
        Row(
            f"e{number}",
            f"Meeting {number} takes place.",
            {"events": [{"date": "2026-11-25", "title": f"Meeting {number}"}], "category": "event"},
            "generated",
        )
        for number in range(events)
    ]
    return rows + [Row(f"o{n}", "Nothing.", {"category": "other", "events": []}, "generated") for n in range(others)]


def built(folder):
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]


def test_rules_share_the_pairs_evenly(tmp_path):
    report = build_preferences(recipe(pairs=80), mails(30, 30), None, tmp_path)
    assert report["by_rule"] == dict.fromkeys(report["by_rule"], 10) and len(report["by_rule"]) == 8
    assert report["pairs"] == report["asked"] == 80 and report["own_errors"] == 0
    pairs = built(tmp_path)
    assert len({(pair["id"], pair["rejected"]) for pair in pairs}) == len(pairs) == 80
    assert all(set(pair) == {"id", "text", "chosen", "rejected", "rule"} for pair in pairs)
    chosen = next(pair["chosen"] for pair in pairs if pair["id"] == "e3")
    assert chosen == '{"category":"event","events":[{"title":"Meeting 3","date":"2026-11-25"}]}'
    assert json.loads((tmp_path / "preferences.json").read_text()) == report


def test_a_rule_that_fits_few_rows_leaves_its_share_to_the_others(tmp_path):
    report = build_preferences(recipe(pairs=80), mails(2, 100), None, tmp_path)
    assert report["by_rule"]["duplicate_event"] == 2
    others = [count for rule, count in report["by_rule"].items() if rule not in EVENT_RULES]
    assert report["pairs"] == 80 and max(others) - min(others) <= 1


@settings(max_examples=25)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 60), st.booleans(), st.integers(0, 5))
def test_counts_always_add_up(tmp_path_factory, events, others, asked, own, seed):
    rows, folder = mails(events, others), tmp_path_factory.mktemp("pairs")
    said = {row.id: "rubbish" for row in rows[::2]} if own else None
    if not rows:
        with pytest.raises(UserError, match="Not one preference pair"):
            build_preferences(recipe(pairs=asked, seed=seed), rows, said, folder)
        return
    report = build_preferences(recipe(pairs=asked, seed=seed), rows, said, folder)
    pairs = built(folder)
    assert len(pairs) == report["pairs"] == sum(report["by_rule"].values()) + report["own_errors"] <= asked
    assert report["own_errors"] <= asked // 2
    assert len({(pair["id"], pair["rejected"]) for pair in pairs}) == len(pairs)
    assert all(pair["chosen"] != pair["rejected"] for pair in pairs)
    assert (report["pairs"] == asked) or any("could be built" in note for note in report["notes"])


def test_own_errors_are_up_to_half_and_only_errors(tmp_path):
    rows = mails(10, 10)
    right = {row.id: json.dumps(row.label, indent=1) for row in rows}
    wrong = {row.id: '{"category":"spam","events":[]}' for row in rows[:8]} | {rows[8].id: "Sure!", rows[9].id: "  "}
    report = build_preferences(recipe(pairs=40), rows, right | wrong, tmp_path)
    assert report["own_errors"] == 9 and report["pairs"] == 40
    own = [pair for pair in built(tmp_path) if pair["rule"] == "own_error"]
    assert {pair["id"] for pair in own} == {f"e{number}" for number in range(9)}
    assert build_preferences(recipe(pairs=10), rows, right | wrong, tmp_path)["own_errors"] == 5
    assert build_preferences(recipe(pairs=10, own_errors=False), rows, wrong, tmp_path)["own_errors"] == 0
    flawless = build_preferences(recipe(pairs=10), rows, right, tmp_path)
    assert flawless["own_errors"] == 0 and "no errors of its own" in flawless["notes"][0]


def test_an_answer_with_the_events_in_another_order_is_an_error(tmp_path):
    two = [{"title": "a", "date": "2026-11-25"}, {"title": "b", "date": "2026-11-26"}]
    row = Row("1", "a and b", {"category": "event", "events": two}, "generated")
    said = {"1": json.dumps({"category": "event", "events": two[::-1]})}
    assert build_preferences(recipe(pairs=2), [row], said, tmp_path)["own_errors"] == 1


def test_the_seed_decides_and_nothing_else(tmp_path):
    rows, said = mails(20, 20), {"e1": "x", "o2": "y", "o3": "z"}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_preferences(recipe(pairs=50, seed=seed), rows, said, tmp_path / name)
    a, b, c = ((tmp_path / name / "pairs.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_too_few_pairs_are_said(tmp_path):
    rules = ["duplicate_event", "wrong_date_format"]
    report = build_preferences(recipe(pairs=50, rules=rules, own_errors=False), mails(1, 5), None, tmp_path)
    assert report["by_rule"]["duplicate_event"] == 1
    assert report["notes"] == [f"50 pairs were asked for, {report['pairs']} could be built."]
    idle = build_preferences(recipe(pairs=9, rules=["duplicate_event", "broken_json"]), mails(0, 5), None, tmp_path)
    assert "No answer could be broken by duplicate_event." in idle["notes"]


def test_no_pair_at_all_is_refused(tmp_path):
    with pytest.raises(UserError, match="Not one preference pair could be built from 5 labelled rows"):
        build_preferences(recipe(pairs=9, rules=["duplicate_event"]), mails(0, 5), None, tmp_path)
    with pytest.raises(UserError, match="from 0 labelled rows"):
        build_preferences(recipe(), [Row("1", "text", None, "generated")], None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_free_text_rejects_what_the_model_got_wrong_and_talk_around_the_answer(tmp_path):
    rows = [Row(str(n), f"text {n}", f"answer {n}", "generated") for n in range(8)]
    said = {"0": "answer 0\n", "1": "no", "2": "no", "3": "no"}
    report = build_preferences(recipe(schema=None, pairs=4), rows, said, tmp_path)
    assert report["own_errors"] == 3 and report["by_rule"] == {"prose_around": 1}
    assert next(pair for pair in built(tmp_path) if pair["id"] == "1")["chosen"] == "answer 1"
    with pytest.raises(UserError, match="Not one preference pair"):
        build_preferences(recipe(schema=None, rules=["extra_field"]), rows, None, tmp_path)
