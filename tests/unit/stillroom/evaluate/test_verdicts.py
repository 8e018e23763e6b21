"""From answers to verdicts: paired comparisons, the choice of a format, gates, the summary, two runs side by side."""

import json

import pytest

from stillroom.errors import UserError
from stillroom.evaluate.compare import compare_runs, paired, render
from stillroom.evaluate.formats import choose
from stillroom.evaluate.gates import checks
from stillroom.evaluate.score import summary_of
from stillroom.evaluate.summary import summarise
from stillroom.files import write_json, write_jsonl
from stillroom.recipe.model import Recipe

RAW = {
    "name": "test",
    "instruction": "Answer.",
    "output_schema": {
        "type": "object",
        "properties": {"category": {"type": "string", "enum": ["event", "spam"]}},
        "required": ["category"],
        "additionalProperties": False,
    },
    "data": {"sources": [{"kind": "jsonl", "path": "x.jsonl"}]},
    "dpo": {"rules": ["extra_field"]},
    "export": {"max_loss_points": 5},
}
FREE = Recipe.model_validate({**RAW, "output_schema": None})
RECIPE = Recipe.model_validate(RAW)
RIGHT, WRONG = '{"category":"event"}', '{"category":"spam"}'


def recipe(**changes):
    return Recipe.model_validate({**RAW, **changes})


def answers(right, rows=100, invalid=0, first=0):
    """Answers to `rows` rows: right for those from `first` on, `right` of them; the last `invalid` are not JSON."""
    lines = []
    for row in range(rows):
        constrained = RIGHT if first <= row < first + right else WRONG
        lines.append(
            {
                "id": f"row-{row:03}",
                "source": "generated",
                "gold": {"category": "event"},
                "unconstrained": "Sure!" if row >= rows - invalid else constrained,
                "constrained": constrained,
                "prompt_tokens": 10,
                "completion_tokens": 5,
            }
        )
    return lines


def summaries(lost=0, rows=100, words=10):
    """Free-text answers of which none is its gold answer: each has one word too many, and lacks `lost`."""
    lines = []
    for row in range(rows):
        gold = [f"w{row}x{word}" for word in range(words)]
        said = " ".join(["Well", *gold[: words - lost]])
        facts = {"id": f"row-{row:03}", "source": "generated", "gold": " ".join(gold), "constrained": None}
        lines.append({**facts, "unconstrained": said, "prompt_tokens": 10, "completion_tokens": 5})
    return lines


def file_facts(name, seconds, size=100):
    return {
        "format": name,
        "file": f"test-{name}.gguf",
        "bytes": size,
        "seconds_per_row": seconds,
        "prompt_tokens_per_second": 300.0,
        "decode_tokens_per_second": 80.0,
    }


def test_a_paired_difference_needs_no_order_but_the_same_rows():
    more, less = answers(80), answers(60)
    interval = paired(more, less[::-1], RECIPE, "exact_match")
    assert interval["value"] == pytest.approx(0.2) and 0.1 < interval["low"] < 0.2 < interval["high"] < 0.3
    assert paired(more, more, RECIPE, "exact_match") == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert paired(more, answers(80, invalid=10), RECIPE, "schema_valid")["value"] == 0
    assert paired(more, answers(80, invalid=10), RECIPE, "schema_valid", "unconstrained")["value"] == pytest.approx(0.1)
    with pytest.raises(UserError, match=r"same rows.*'row-099'"):
        paired(more, less[:-1], RECIPE, "exact_match")
    with pytest.raises(UserError, match="two different gold answers"):
        paired(more, [less[0] | {"gold": {"category": "spam"}}, *less[1:]], RECIPE, "exact_match")
    with pytest.raises(UserError, match=r"no metric 'bleu'.*exact_match"):
        paired(more, less, RECIPE, "bleu")


def test_the_fastest_acceptable_format_is_chosen():
    said = {"F16": answers(90), "Q8_0": answers(90), "Q4_K_M": answers(90), "Q4_0": answers(60)}
    formats = [file_facts("F16", 4.0), file_facts("Q8_0", 2.0), file_facts("Q4_K_M", 1.5), file_facts("Q4_0", 1.0)]
    choice = choose(RECIPE, formats, said)
    assert choice["chosen"] == "Q4_K_M"
    assert [line["accepted"] for line in choice["formats"]] == [True, True, True, False]
    reasons = [line["reason"] for line in choice["formats"]]
    assert reasons[0] == (
        "Accepted, but it takes 2.67 times as long as Q4_K_M. It is the reference that the others are held against."
    )
    assert reasons[2] == (
        "Chosen: the fastest of the accepted formats, 1.500 s a row. "
        "It loses at most 3.0 points of exact match against F16; 5 are allowed."
    )
    assert reasons[3] == "Not accepted: it loses 30.0 points of exact match against F16; 5 are allowed."
    assert choice["formats"][3]["loss_points"]["value"] == pytest.approx(30)


def test_a_loss_that_cannot_be_ruled_out_is_not_accepted():
    # As many right, but six rows lost and six won: over 100 rows that may hide a loss of several points.
    said = {"F16": answers(90), "Q8_0": answers(90, first=6)}
    choice = choose(RECIPE, [file_facts("F16", 4.0), file_facts("Q8_0", 2.0)], said)
    judged = choice["formats"][1]
    assert choice["chosen"] == "F16" and not judged["accepted"] and judged["loss_points"]["value"] == 0
    assert "the 100 test rows show no change of exact match, but cannot rule out a loss of 7.5" in judged["reason"]
    assert judged["reason"].endswith("More test rows would tell.")
    wide = recipe(export={"max_loss_points": 10})
    assert choose(wide, [file_facts("F16", 4.0), file_facts("Q8_0", 2.0)], said)["chosen"] == "Q8_0"


def test_the_16_bit_file_is_always_acceptable_and_needed():
    lossy = {"BF16": answers(90), "Q4_0": answers(10)}
    assert choose(RECIPE, [file_facts("Q4_0", 1.0), file_facts("BF16", 9.0)], lossy)["chosen"] == "BF16"
    with pytest.raises(UserError, match=r"Add F16 to export\.formats"):
        choose(RECIPE, [file_facts("Q4_0", 1.0)], {"Q4_0": answers(10)})


@pytest.mark.parametrize(("rows", "chosen"), [(119, "F16"), (120, "Q8_0")])
def test_a_loss_of_just_the_bound_is_within_it(rows, chosen):
    # No row got worse: 3/120 are 2.5 points.
    exact, said = recipe(export={"max_loss_points": 2.5}), answers(90, rows=rows)
    choice = choose(exact, [file_facts("F16", 2.0), file_facts("Q8_0", 1.0)], {"F16": said, "Q8_0": said})
    assert choice["formats"][1]["loss_points"]["high"] == pytest.approx(300 / rows)
    assert choice["chosen"] == chosen


def test_few_rows_with_equal_answers_are_no_evidence():
    said, formats = answers(6, rows=6), [file_facts("F16", 2.0), file_facts("Q8_0", 1.0)]
    choice = choose(recipe(export={"max_loss_points": 2.5}), formats, {"F16": said, "Q8_0": said})
    assert choice["chosen"] == "F16" and choice["formats"][0]["loss_points"]["high"] == 0
    assert choice["formats"][1]["loss_points"] == {"value": 0.0, "low": 0.0, "high": 50.0}
    assert choice["formats"][1]["reason"] == (
        "Not accepted: the 6 test rows show no change of exact match, but cannot rule out a loss of 50.0 points "
        "against F16; 2.5 are allowed. That takes at least 120 test rows, even where no row gets worse."
    )
    never = choose(recipe(export={"max_loss_points": 0}), formats, {"F16": said, "Q8_0": said})
    assert "No number of test rows can rule out every loss." in never["formats"][1]["reason"]


def test_free_text_is_judged_by_its_tokens():
    # No answer equals its gold answer, so by exact match every format would be as good as any other.
    said = {"F16": summaries(), "Q8_0": summaries(), "Q4_0": summaries(lost=4)}
    formats = [file_facts("F16", 3.0), file_facts("Q8_0", 2.0), file_facts("Q4_0", 1.0)]
    choice = choose(FREE, formats, said)
    assert choice["chosen"] == "Q8_0"
    assert choice["formats"][1]["loss_points"] == pytest.approx({"value": 0.0, "low": 0.0, "high": 3.0})
    assert choice["formats"][2]["loss_points"]["value"] > 20
    assert choice["formats"][2]["reason"].startswith("Not accepted: it loses")
    assert "of token F1 against F16" in choice["formats"][2]["reason"]


def test_small_losses_of_many_free_texts_are_averaged():
    # Every text lost half a point: as a share of rows that got worse this would be all of them.
    said = {"F16": summaries(words=200), "Q8_0": summaries(words=200, lost=1)}
    high = choose(FREE, [file_facts("F16", 2.0), file_facts("Q8_0", 1.0)], said)["formats"][1]["loss_points"]["high"]
    assert high == 3.0


def test_of_two_equally_fast_formats_the_smaller_wins():
    said = {"F16": answers(90), "Q8_0": answers(90)}
    choice = choose(RECIPE, [file_facts("F16", 2.0, 200), file_facts("Q8_0", 2.0, 100)], said)
    assert choice["chosen"] == "Q8_0"
    assert "no faster than Q8_0 and larger" in choice["formats"][0]["reason"]


def test_less_than_5_per_cent_slower_is_as_fast():
    said = dict.fromkeys(("F16", "Q8_0", "Q4_K_M", "Q4_0"), answers(90))
    formats = [file_facts("F16", 4.0, 400), file_facts("Q8_0", 2.0, 300)]
    formats += [file_facts("Q4_K_M", 2.09, 200), file_facts("Q4_0", 2.1, 100)]
    choice = choose(RECIPE, formats, said)
    reasons = [line["reason"] for line in choice["formats"]]
    assert choice["chosen"] == "Q4_K_M"
    assert reasons[0].startswith("Accepted, but it takes 2.00 times as long as Q8_0.")
    assert reasons[1].startswith("Accepted, but it is no faster than Q4_K_M and larger.")
    assert reasons[2].startswith(
        "Chosen: as fast as Q8_0 and the smallest such of the accepted formats, 2.090 s a row."
    )
    assert reasons[3].startswith("Accepted, but it takes 1.05 times as long as Q8_0.")


def run_folder(path, models, seconds=None, task=RECIPE):
    """A run's folder with the answers of each model and the summary of them."""
    write_json(path / "recipe.yaml", task.model_dump(mode="json"))
    folders = {}
    for name, said in models.items():
        folders[name] = path / ("evaluations" if name in ("base", "sft") else "measure") / name
        write_jsonl(folders[name] / "answers.jsonl", said)
        write_json(folders[name] / "evaluation.json", summary_of(task, name, said, 10.0))
    exported = {name: said for name, said in models.items() if name not in ("base", "sft")}
    facts = [file_facts(name, (seconds or {}).get(name, 1.0)) for name in exported]
    if facts:
        write_json(path / "measure" / "formats.json", choose(task, facts, exported))
    formats = path / "measure" / "formats.json" if facts else None
    return summarise(task, folders, formats, path / "gate" / "evaluation.json")


GOOD = {"Q8_0": answers(91), "F16": answers(91), "base": answers(0, invalid=100), "sft": answers(90, invalid=5)}


@pytest.fixture(scope="module")
def good_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "good"
    run_folder(path, GOOD, {"F16": 4.0, "Q8_0": 2.0})
    return path


def verdicts(summary):
    return {check["name"]: check["passed"] for check in summary["gate"]["checks"]}


def test_a_good_run_passes_every_gate(good_run):
    summary = json.loads((good_run / "gate/evaluation.json").read_text())
    assert list(summary["models"]) == ["base", "sft", "F16", "Q8_0"]
    assert summary["chosen"] == "Q8_0" and summary["recipe"] == "test"
    assert summary["comparisons"]["sft_over_base"]["low"] > 0.8
    assert summary["comparisons"]["dpo_over_sft"]["value"] == pytest.approx(0.01)
    assert summary["comparisons"]["dpo_over_sft_schema_valid"]["value"] == pytest.approx(0.05)
    assert summary["gate"]["passed"]
    assert verdicts(summary) == {
        "better_than_base": True,
        "dpo_not_worse": True,
        "schema_valid_unconstrained": True,
        "schema_valid_constrained": True,
        "loss_bound": True,
    }


@pytest.mark.parametrize(
    ("changes", "gates", "failing", "message"),
    [
        ({"base": answers(88)}, {}, "better_than_base", "must lie above zero"),
        ({"sft": answers(100)}, {}, "dpo_not_worse", "DPO did harm"),
        ({"F16": answers(91, invalid=3)}, {}, "schema_valid_unconstrained", "97 % schema-valid answers of F16"),
        ({}, {"min_exact_match": 0.95}, "min_exact_match", "91 % exact match of F16"),
    ],
)
def test_each_gate_can_fail(tmp_path, changes, gates, failing, message):
    models = {name: said for name, said in GOOD.items() if name != "Q8_0"} | changes
    summary = run_folder(tmp_path / "run", models, task=recipe(gates=gates))
    assert not summary["gate"]["passed"]
    assert [name for name, passed in verdicts(summary).items() if not passed] == [failing]
    assert message in next(check["message"] for check in summary["gate"]["checks"] if check["name"] == failing)


def test_a_constrained_answer_that_breaks_the_schema_fails(tmp_path):
    cut = [*answers(91)[:-1], answers(91)[-1] | {"constrained": '{"category":"ev'}]
    summary = run_folder(tmp_path / "run", {"base": answers(0), "sft": answers(90), "F16": cut})
    assert [name for name, passed in verdicts(summary).items() if not passed] == ["schema_valid_constrained"]


def test_a_loss_beyond_the_bound_fails():
    summary = {
        "models": {
            "F16": summary_of(RECIPE, "F16", answers(90), 1.0),
            "Q4_0": summary_of(RECIPE, "Q4_0", answers(50), 1.0),
        },
        "formats": [
            file_facts("Q4_0", 1.0) | {"loss_points": {"value": 40.0, "low": 30.0, "high": 50.0}, "accepted": False}
        ],
        "chosen": "Q4_0",
        "comparisons": {},
    }
    found = checks(recipe(gates={"better_than_base": False, "dpo_not_worse": False}), summary)
    assert [check["name"] for check in found if not check["passed"]] == ["loss_bound"]


def test_gates_that_are_off_or_have_nothing_to_judge_give_no_check(tmp_path):
    task = recipe(dpo=None, gates={"better_than_base": False})
    summary = run_folder(tmp_path / "run", {"base": answers(95), "sft": answers(90), "F16": answers(50)}, task=task)
    assert set(verdicts(summary)) == {"schema_valid_unconstrained", "schema_valid_constrained", "loss_bound"}
    assert summary["comparisons"]["dpo_over_sft"] is None


def test_free_text_passes_its_gates_by_token_f1(tmp_path):
    models = {"base": summaries(lost=9), "sft": summaries(), "F16": summaries()}
    summary = run_folder(tmp_path / "good", models, task=FREE)
    assert summary["comparisons"]["chosen_over_base"]["value"] > 0.5
    assert summary["gate"]["passed"]
    messages = [check["message"] for check in summary["gate"]["checks"]]
    assert messages[0].startswith("Token F1 of F16 is +") and messages[1].startswith("DPO changed token F1 by +0.0")
    assert messages[2].startswith("F16 loses 0.0 points of token F1")
    harmed = run_folder(tmp_path / "harmed", models | {"F16": summaries(lost=3)}, task=FREE)
    assert not verdicts(harmed)["dpo_not_worse"]


def test_a_gate_without_its_measurement_stays_shut(tmp_path):
    summary = run_folder(tmp_path / "run", {"sft": answers(90), "F16": answers(90)})
    assert not verdicts(summary)["better_than_base"]
    assert "Not judged" in summary["gate"]["checks"][0]["message"]


def test_a_run_without_export_is_judged_by_its_last_model(tmp_path):
    summary = run_folder(tmp_path / "run", {"base": answers(0), "sft": answers(90)}, task=recipe(dpo=None))
    assert summary["chosen"] is None and summary["formats"] == []
    assert summary["gate"]["passed"] and summary["comparisons"]["chosen_over_base"]["value"] == pytest.approx(0.9)


def test_a_listed_format_without_an_evaluation_is_refused(good_run, tmp_path):
    folders = {name: good_run / "evaluations" / name for name in ("base", "sft")}
    with pytest.raises(UserError, match="No evaluation of Q8_0, F16"):
        summarise(RECIPE, folders, good_run / "measure/formats.json", tmp_path / "out.json")


def test_two_runs_are_compared_on_the_rows_that_both_have(good_run, tmp_path):
    run_folder(tmp_path / "b", {"base": answers(0, rows=80), "F16": answers(60, rows=80)}, {"F16": 1.0})
    comparison = compare_runs(good_run, tmp_path / "b")
    assert comparison["rows"] == 80
    assert comparison["a"]["format"] == "Q8_0" and comparison["b"]["format"] == "F16"
    exact = comparison["metrics"][1]
    assert (exact["metric"], exact["mode"]) == ("exact_match", "constrained")
    assert exact["difference"]["value"] == pytest.approx(20 / 80)
    table = render(comparison)
    assert "exact_match, constrained" in table and "+25.0" in table and "*" in table
    assert "80 shared test rows (A has 100, B has 80)" in table


def texts_known(said, offset=0):
    """The answers with the sums of their texts, and ids that lie `offset` rows further on."""
    known = [line | {"text_sha256": f"text of {line['id']}"} for line in said]
    return [line | {"id": f"row-{number + offset:03}"} for number, line in enumerate(known)]


def test_rows_are_matched_by_text_where_their_ids_have_moved(tmp_path):
    run_folder(tmp_path / "a", {"F16": texts_known(answers(90))})
    run_folder(tmp_path / "b", {"F16": texts_known(answers(90), offset=7)})
    comparison = compare_runs(tmp_path / "a", tmp_path / "b")
    assert comparison["rows"] == 100 and comparison["relabelled"] == 0
    # By id each row would have met another one's text.
    assert all(line["difference"]["low"] == line["difference"]["high"] == 0 for line in comparison["metrics"])


def test_rows_with_another_gold_answer_are_left_out(tmp_path):
    first = texts_known(answers(90))
    second = [line | {"gold": {"category": "spam"}} if place < 4 else line for place, line in enumerate(first)]
    run_folder(tmp_path / "a", {"F16": first})
    run_folder(tmp_path / "b", {"F16": second})
    comparison = compare_runs(tmp_path / "a", tmp_path / "b")
    assert comparison["rows"] == 96 and comparison["relabelled"] == 4
    assert "Left out: 4 shared rows whose gold answers differ" in render(comparison)
    run_folder(tmp_path / "c", {"F16": [line | {"gold": {"category": "spam"}} for line in first]})
    with pytest.raises(UserError, match=r"All 100 test rows .* were relabelled between the runs"):
        compare_runs(tmp_path / "a", tmp_path / "c")


def test_ids_alone_with_other_gold_answers_are_refused(tmp_path):
    moved = [line | {"gold": {"category": "spam"}} if place == 3 else line for place, line in enumerate(answers(90))]
    run_folder(tmp_path / "a", {"F16": texts_known(answers(90))})
    run_folder(tmp_path / "b", {"F16": moved})
    with pytest.raises(UserError, match=r"1 of the 100 test rows with the same id .* 'row-003'.* Rows were inserted"):
        compare_runs(tmp_path / "a", tmp_path / "b")


def test_models_of_one_run_must_have_answered_the_same_texts():
    first = texts_known(answers(90))
    with pytest.raises(UserError, match="'row-005' has two different texts"):
        paired(first, [*first[:5], first[5] | {"text_sha256": "another"}, *first[6:]], RECIPE, "exact_match")


def test_runs_that_do_not_compare_are_refused(good_run, tmp_path):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/recipe.yaml").write_bytes((good_run / "recipe.yaml").read_bytes())
    with pytest.raises(UserError, match="holds no finished evaluation"):
        compare_runs(good_run, tmp_path / "unfinished")
    run_folder(tmp_path / "b", {"F16": [line | {"id": "x" + line["id"]} for line in GOOD["F16"]]})
    with pytest.raises(UserError, match="no test row in common"):
        compare_runs(good_run, tmp_path / "b")
    schema = json.loads(json.dumps(RAW["output_schema"]))
    schema["properties"]["category"]["enum"] = ["event", "spam", "other"]
    run_folder(tmp_path / "c", {"F16": GOOD["F16"]}, task=recipe(output_schema=schema))
    with pytest.raises(UserError, match="different schemas"):
        compare_runs(good_run, tmp_path / "c")
