"""The scores of schema answers, by hand-made examples and by laws that always hold."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.evaluate.bootstrap import score
from stillroom.evaluate.metrics import field_paths, ratios, scores
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import canonical, validate

EVENT = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "time": {"type": ["string", "null"]},
    },
    "required": ["title", "date", "time"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["event", "spam", "other"]},
        "events": {"type": "array", "items": EVENT, "maxItems": 4},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sender": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
            "required": ["name"],
            "additionalProperties": False,
        },
        "mood": {"enum": ["good", "bad", None]},
    },
    "required": ["category", "events"],
    "additionalProperties": False,
}
RECIPE = Recipe.model_validate(
    {
        "name": "test",
        "instruction": "Answer.",
        "output_schema": SCHEMA,
        "data": {"sources": [{"kind": "jsonl", "path": "x.jsonl"}]},
    }
)
word = st.sampled_from(["a", "b", "c d", "会议"])
event = st.fixed_dictionaries(
    {"title": word, "date": st.sampled_from(["2026-11-23", "2026-12-01"]), "time": st.sampled_from([None, "10:00"])}
)
answers = st.fixed_dictionaries(
    {"category": st.sampled_from(["event", "spam", "other"]), "events": st.lists(event, max_size=4)},
    optional={
        "tags": st.lists(word, max_size=3),
        "sender": st.fixed_dictionaries({"name": word}, optional={"age": st.sampled_from([None, 3, 4])}),
        "mood": st.sampled_from(["good", "bad", None]),
    },
)
broken = st.sampled_from(
    ["", "no json", "{", '{"category":"event"}', '{"category":"x","events":[]}', "[]", "null", "3"]
)
texts = st.one_of(answers.map(lambda answer: canonical(SCHEMA, answer)), broken)


def of(gold, said, metric):
    text = said if isinstance(said, str) else json.dumps(said)
    return score(ratios(RECIPE, [gold], [text])[metric])


def all_scores(golds, said):
    return {name: score(ratio) for name, ratio in ratios(RECIPE, golds, said).items()}


@settings(max_examples=60)
@given(st.lists(st.tuples(answers, texts), min_size=1, max_size=6))
def test_every_score_is_between_0_and_1_and_the_keys_are_always_the_same(rows):
    found = all_scores([gold for gold, _ in rows], [text for _, text in rows])
    assert all(0 <= value <= 1 for value in found.values())
    assert set(found) == {
        "schema_valid",
        "exact_match",
        "accuracy.category",
        "accuracy.mood",
        *(f"field_f1.{path}" for path in field_paths(SCHEMA)),
    }


@settings(max_examples=60)
@given(st.lists(answers, min_size=1, max_size=6))
def test_perfect_answers_score_1_everywhere(golds):
    assert all(not validate(SCHEMA, gold) for gold in golds)
    found = all_scores(golds, [canonical(SCHEMA, gold) for gold in golds])
    assert set(found.values()) == {1.0}


@settings(max_examples=60)
@given(st.lists(answers, min_size=1, max_size=4), broken)
def test_an_invalid_answer_is_wrong_for_everything(golds, text):
    assert set(all_scores(golds, [text] * len(golds)).values()) == {0.0}


@settings(max_examples=60)
@given(answers, answers, st.randoms(use_true_random=False))
def test_the_order_of_list_elements_changes_no_f1(gold, said, random):
    shuffled = said | {"events": random.sample(said["events"], len(said["events"]))}
    before, after = all_scores([gold], [json.dumps(said)]), all_scores([gold], [json.dumps(shuffled)])
    assert all(before[name] == after[name] for name in before if name.startswith("field_f1"))


@settings(max_examples=60)
@given(answers, answers)
def test_counts_add_up_to_what_gold_and_answer_hold(gold, said):
    found = ratios(RECIPE, [gold], [json.dumps(said)])
    # 2·tp + fp + fn is the number of values in the gold answer plus that in the other.
    assert found["field_f1.events"][0, 1] == len(gold["events"]) + len(said["events"])
    assert found["field_f1.category"][0, 1] == 2
    times = [event["time"] for event in gold["events"] + said["events"]]
    assert found["field_f1.events.time"][0, 1] == sum(time is not None for time in times)


@settings(max_examples=40)
@given(st.lists(st.tuples(answers, texts), min_size=1, max_size=8))
def test_confusion_counts_sum_to_the_rows(rows):
    golds, said = [gold for gold, _ in rows], [text for _, text in rows]
    for name, table in scores(RECIPE, golds, said)["confusion"].items():
        assert np.sum(table["counts"]) == len(rows)
        assert np.trace(table["counts"]) / len(rows) == pytest.approx(
            score(ratios(RECIPE, golds, said)[f"accuracy.{name}"])
        )


def test_exact_match_heeds_the_order_of_events_but_not_of_keys():
    first = {"title": "a", "date": "2026-11-23", "time": None}
    second = {"title": "b", "date": "2026-11-24", "time": "10:00"}
    gold = {"category": "event", "events": [first, second]}
    turned = {"category": "event", "events": [second, first]}
    assert of(gold, turned, "exact_match") == 0
    assert of(gold, turned, "field_f1.events") == 1
    assert of(gold, {"events": [first, second], "category": "event"}, "exact_match") == 1


def test_a_worked_example():
    """The one in docs/evaluation.md: one of two events right, the other with a wrong date, and one made up."""
    gold = {
        "category": "event",
        "events": [
            {"title": "Budget review", "date": "2026-11-25", "time": "10:00"},
            {"title": "Concert", "date": "2026-12-01", "time": None},
        ],
    }
    said = {
        "category": "event",
        "events": [
            {"title": "Concert", "date": "2026-12-02", "time": None},
            {"title": "Budget review", "date": "2026-11-25", "time": "10:00"},
            {"title": "Newsletter", "date": "2026-11-23", "time": "09:00"},
        ],
    }
    assert of(gold, said, "exact_match") == 0
    assert of(gold, said, "accuracy.category") == 1
    assert of(gold, said, "field_f1.events") == pytest.approx(2 / 5)  # tp 1, fp 2, fn 1
    assert of(gold, said, "field_f1.events.title") == pytest.approx(4 / 5)  # tp 2, fp 1, fn 0
    assert of(gold, said, "field_f1.events.date") == pytest.approx(2 / 5)  # tp 1, fp 2, fn 1
    assert of(gold, said, "field_f1.events.time") == pytest.approx(2 / 3)  # tp 1, fp 1, fn 0


def test_f1_pools_counts_over_rows():
    one = {"title": "a", "date": "2026-11-23", "time": None}
    golds = [{"category": "event", "events": [one, one, one]}, {"category": "event", "events": [one]}]
    said = [{"category": "event", "events": [one, one, one]}, {"category": "event", "events": []}]
    found = all_scores(golds, list(map(json.dumps, said)))
    assert found["field_f1.events"] == pytest.approx(6 / 7)  # not the mean of 1 and 0


def test_a_bag_of_plain_values_counts_each_once():
    gold = {"category": "other", "events": [], "tags": ["a", "a", "b"]}
    said = {"category": "other", "events": [], "tags": ["b", "a", "c"]}
    assert of(gold, said, "field_f1.tags") == pytest.approx(4 / 6)


def test_nested_objects_count_as_a_whole_and_by_field():
    gold = {"category": "other", "events": [], "sender": {"name": "a", "age": 3}}
    said = {"category": "other", "events": [], "sender": {"name": "a", "age": 4}}
    assert of(gold, said, "field_f1.sender") == 0
    assert of(gold, said, "field_f1.sender.name") == 1
    assert of(gold, said, "field_f1.sender.age") == 0


def test_null_and_absent_are_both_nothing_for_f1_but_not_for_exact_match():
    gold = {"category": "other", "events": [], "sender": {"name": "a", "age": None}}
    said = {"category": "other", "events": [], "sender": {"name": "a"}}
    assert of(gold, said, "field_f1.sender") == 1
    assert of(gold, said, "exact_match") == 0


def test_rubbish_about_a_mail_without_events_is_not_perfect_at_events():
    gold = {"category": "other", "events": []}
    assert of(gold, "rubbish", "field_f1.events") == 0
    assert of(gold, gold, "field_f1.events") == 1


def test_confusion_names_null_missing_and_invalid_classes():
    golds = [{"category": "event", "events": []}, {"category": "spam", "events": [], "mood": None}]
    found = scores(RECIPE, golds, [json.dumps(golds[0] | {"category": "spam"}), "rubbish"])["confusion"]
    assert found["category"] == {
        "labels": ["event", "spam", "other", "(invalid)"],
        "counts": [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
    }
    assert found["mood"]["labels"] == ["good", "bad", "null", "(none)", "(invalid)"]
    assert found["mood"]["counts"][3] == [0, 0, 0, 1, 0]
    assert found["mood"]["counts"][2] == [0, 0, 0, 0, 1]


def classes(schema, golds, said):
    task = Recipe.model_validate(
        {
            **RECIPE.model_dump(mode="json"),
            "output_schema": {"type": "object", "properties": {"stars": schema}, "required": ["stars"]},
        }
    )
    golds = [{"stars": gold} for gold in golds]
    return scores(task, golds, [text if isinstance(text, str) else json.dumps({"stars": text[0]}) for text in said])


def test_a_class_is_the_same_with_and_without_a_decimal_point():
    found = classes({"enum": [1, 2, 3]}, [1, 2.0, 3], [[1.0], [2], [2.0]])
    assert found["confusion"]["stars"] == {
        "labels": ["1", "2", "3", "(invalid)"],
        "counts": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    }
    assert found["accuracy"]["stars"]["value"] == found["exact_match"]["value"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("gold", [1, "1", True, "true", None, "null", "(invalid)"])
def test_classes_that_look_alike_are_told_apart(gold):
    values = [1, "1", True, "true", None, "null", "(invalid)"]
    found = classes({"enum": values}, [gold] * len(values), [[value] for value in values])
    table = found["confusion"]["stars"]
    assert table["labels"] == ["1", '"1"', "true", '"true"', "null", '"null"', '"(invalid)"', "(invalid)"]
    assert table["counts"][values.index(gold) if gold is not True else 2] == [1] * 7 + [0]
    assert found["accuracy"]["stars"]["value"] == found["exact_match"]["value"] == pytest.approx(1 / 7)
