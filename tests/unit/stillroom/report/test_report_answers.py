"""Which answers are wrong, and in which fields."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_run import MadeRun, make_run

from stillroom.report.answers import MISSING, Case, cases, spread
from stillroom.report.readme import readme_table
from stillroom.report.run import read_run
from stillroom.report.sections import failures

EVENT = {"title": "Chess", "date": "2026-11-24", "time": None, "location": None, "organizer": None, "status": "moved"}
OTHER = EVENT | {"title": "Bridge", "date": "2026-12-01"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"))


def compare(made: MadeRun, gold: list[Any], said: list[Any] | str) -> Case:
    text = said if isinstance(said, str) else json.dumps({"category": "event", "events": said})
    answer = {"id": "1", "source": "generated", "gold": {"category": "event", "events": gold}, "constrained": text}
    return cases(made.recipe, [answer], {"1": "the mail"})[0]


def test_a_right_answer_has_no_differing_field(made: MadeRun) -> None:
    case = compare(made, [EVENT], [dict(reversed(EVENT.items()))])
    assert case.right and case.differing == [] and case.text == "the mail"


def test_only_the_differing_field_is_named(made: MadeRun) -> None:
    case = compare(made, [EVENT, OTHER], [EVENT, OTHER | {"date": "2026-12-02"}])
    assert not case.right and case.differing == ["events[2].date"]
    pair = next(pair for pair in case.fields if not pair.same)
    assert (pair.gold, pair.answer) == ("2026-12-01", "2026-12-02")


def test_null_is_not_the_word_null(made: MadeRun) -> None:
    assert compare(made, [EVENT], [EVENT | {"location": "null"}]).differing == ["events[1].location"]


def test_missed_and_invented_items_show_their_fields(made: MadeRun) -> None:
    missed = compare(made, [EVENT, OTHER], [OTHER])
    assert set(missed.differing) == {f"events[1].{key}" for key in EVENT}
    assert {pair.answer for pair in missed.fields if not pair.same} == {MISSING}
    invented = compare(made, [EVENT], [EVENT, OTHER])
    assert set(invented.differing) == {f"events[2].{key}" for key in EVENT}
    assert compare(made, [], [EVENT]).differing == [f"events[1].{key}" for key in EVENT]


def test_another_order_is_wrong_and_says_so(made: MadeRun) -> None:
    assert compare(made, [EVENT, OTHER], [OTHER, EVENT]).differing == ["order"]


@pytest.mark.parametrize("said", ["not JSON", "[]", '{"category":"event"}', '{"category":"event","events":"none"}'])
def test_an_answer_that_breaks_the_schema_is_kept_as_it_is(made: MadeRun, said: str) -> None:
    case = compare(made, [EVENT], said)
    assert not case.right and case.invalid == said


def test_wrong_answers_are_as_many_as_the_score_says(made: MadeRun) -> None:
    shown = failures(made.recipe, read_run(made.steps))
    exact = made.summary["models"][made.summary["chosen"]]["groups"]["all"]["constrained"]["exact_match"]["value"]
    assert shown["wrong"] == round((1 - exact) * 60) > 0
    assert len(shown["shown"]) == min(shown["wrong"], 20) and len(shown["right"]) == 3


def test_cases_are_taken_from_the_sources_in_turn() -> None:
    found = [Case(str(i), "a" if i < 8 else "b", "", [], None, False) for i in range(10)]
    assert [case.id for case in spread(found, 5)] == ["0", "8", "1", "9", "2"]


def test_the_readme_table_has_a_row_a_model(made: MadeRun) -> None:
    lines = readme_table(made.summary).splitlines()
    assert len(lines) == 2 + len(made.summary["models"])
    assert lines[0].startswith("| Model | Exact match (95 % interval) | Valid, unconstrained")
    assert len({line.count("|") for line in lines}) == 1
    chosen = [line for line in lines if line.startswith(f"| **{made.summary['chosen']}, chosen**")]
    assert len(chosen) == 1 and "145\N{NO-BREAK SPACE}MB" in chosen[0]


def test_the_readme_table_of_free_text(tmp_path: Path) -> None:
    assert "ROUGE-L" in readme_table(make_run(tmp_path, rows=9, free_text=True).summary)
