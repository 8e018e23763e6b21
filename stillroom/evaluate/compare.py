"""Two models on the same rows, and two runs side by side."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from stillroom.errors import UserError
from stillroom.evaluate.bootstrap import Interval, paired_difference, scaled, score
from stillroom.evaluate.bounds import paired_loss
from stillroom.evaluate.matching import equal
from stillroom.evaluate.metrics import ratios
from stillroom.evaluate.score import Mode, ScoredAnswer, headline_metric, headline_mode, texts_of
from stillroom.files import read_json, read_jsonl
from stillroom.recipe.load import load_recipe
from stillroom.recipe.model import Recipe


def paired(
    a_answers: Sequence[ScoredAnswer],
    b_answers: Sequence[ScoredAnswer],
    recipe: Recipe,
    metric: str,
    mode: Mode | None = None,
) -> Interval:
    """How much higher the first model scores than the second, with the paired 95 % interval.

    `metric` is a flat name such as `exact_match` or `field_f1.events.title`; `mode` is the way of decoding, by default
    the one that is served. The order of the answers does not matter. Raises UserError when the two did not answer the
    same rows.
    """
    mode = mode or headline_mode(recipe)
    first, second = _aligned(a_answers, b_answers)
    return paired_difference(_ratio(recipe, first, metric, mode), _ratio(recipe, second, metric, mode))


def loss(reference: Sequence[ScoredAnswer], other: Sequence[ScoredAnswer], recipe: Recipe) -> Interval:
    """How much lower the second model scores in what models are compared by; see `bounds.paired_loss`."""
    metric, mode = headline_metric(recipe), headline_mode(recipe)
    first, second = _aligned(reference, other)
    return paired_loss(_ratio(recipe, first, metric, mode), _ratio(recipe, second, metric, mode))


def read_answers(folder: Path) -> list[ScoredAnswer]:
    """The answers.jsonl of an evaluation's folder; raises UserError where there is none."""
    path = folder / "answers.jsonl"
    if not path.is_file():
        raise UserError(f"No answers at {path}. Run the evaluation first.")
    return [cast(ScoredAnswer, line) for line in read_jsonl(path)]


def compare_runs(run_a: Path, run_b: Path) -> dict[str, Any]:
    """Compare the chosen models of two finished runs of one task on the test rows that both of them have.

    Two runs that drew other data share only a part of their test rows; a difference is only fair on those. Rows are
    the same where their texts are; evaluations from before texts were noted are matched by their ids. A shared row
    whose gold answer was changed between the runs is left out. Returns {"a", "b": {"run", "format", "rows", "bytes",
    "seconds_per_row"}, "rows": shared rows, "relabelled": rows left out, "metrics": [{"metric", "mode", "a", "b",
    "difference"}]}, the differences as intervals of a minus b.
    """
    recipe = _recipe(run_a)
    if recipe.output_schema != _recipe(run_b).output_schema:
        raise UserError(f"{run_a} and {run_b} answer by different schemas, so their scores do not compare.")
    (side_a, answers_a), (side_b, answers_b) = _chosen(run_a), _chosen(run_b)
    shared = _shared(answers_a, answers_b)
    if not shared:
        raise UserError(f"{run_a} and {run_b} have no test row in common, so their scores do not compare.")
    same = [(one, other) for one, other in shared if equal(one["gold"], other["gold"])]
    if not same:
        raise UserError(
            f"All {len(shared)} test rows that {run_a} and {run_b} share have other gold answers in the one than in "
            "the other: the data were relabelled between the runs, so their scores do not compare."
        )
    first, second = [one for one, _ in same], [other for _, other in same]
    modes: list[Mode] = ["unconstrained"] if recipe.output_schema is None else ["constrained", "unconstrained"]
    metrics = []
    for mode in modes:
        ratios_a, ratios_b = _ratios(recipe, first, mode), _ratios(recipe, second, mode)
        metrics += [
            {
                "metric": name,
                "mode": mode,
                "a": score(ratios_a[name]),
                "b": score(ratios_b[name]),
                "difference": paired_difference(ratios_a[name], ratios_b[name]),
            }
            for name in ratios_a
        ]
    return {"a": side_a, "b": side_b, "rows": len(same), "relabelled": len(shared) - len(same), "metrics": metrics}


def render(comparison: dict[str, Any]) -> str:
    """The comparison as a text table for the terminal; scores in per cent, differences in points."""
    a, b = comparison["a"], comparison["b"]
    lines = [
        ["", "A", "B", "A - B", "95 % interval"],
        ["run", a["run"], b["run"], "", ""],
        ["format", a["format"], b["format"], "", ""],
        ["size, MiB", *_figures(a["bytes"] / 2**20, b["bytes"] / 2**20), ""],
        ["seconds per row", *_figures(a["seconds_per_row"], b["seconds_per_row"], 3), ""],
    ]
    for line in comparison["metrics"]:
        points = scaled(line["difference"], 100)
        clear = points["low"] > 0 or points["high"] < 0
        lines.append(
            [
                f"{line['metric']}, {line['mode']}",
                *_figures(100 * line["a"], 100 * line["b"]),
                f"{points['low']:+.1f} to {points['high']:+.1f}{' *' if clear else ''}",
            ]
        )
    widths = [max(len(line[place]) for line in lines) for place in range(5)]
    table = [
        "  ".join(
            [line[0].ljust(widths[0]), *(line[place].rjust(widths[place]) for place in (1, 2, 3)), line[4]]
        ).rstrip()
        for line in lines
    ]
    shared = f"{comparison['rows']} shared test rows (A has {a['rows']}, B has {b['rows']})."
    table.append(f"{shared} * marks an interval without zero.")
    if comparison["relabelled"]:
        left_out = f"{comparison['relabelled']} shared rows whose gold answers differ between the two runs"
        table.append(f"Left out: {left_out}.")
    return "\n".join(table)


def _figures(a: float, b: float, digits: int = 1) -> list[str]:
    return [f"{a:.{digits}f}", f"{b:.{digits}f}", f"{a - b:+.{digits}f}"]


def _recipe(run: Path) -> Recipe:
    return load_recipe(run / "recipe.yaml", sources_must_exist=False)


def _chosen(run: Path) -> tuple[dict[str, Any], list[ScoredAnswer]]:
    """The chosen format of a run and its answers."""
    path = run / "gate" / "evaluation.json"
    if not path.is_file():
        raise UserError(f"{run} holds no finished evaluation ({path} is missing). Let the run finish first.")
    summary = read_json(path)
    chosen = summary["chosen"]
    if chosen is None:
        raise UserError(f"{run} has no measured model to compare. Let the run finish first.")
    answers = read_answers(run / "measure" / chosen)
    facts = next(line for line in summary["formats"] if line["format"] == chosen)
    side = {
        "run": run.name,
        "format": chosen,
        "rows": len(answers),
        "bytes": facts["bytes"],
        "seconds_per_row": facts["seconds_per_row"],
    }
    return side, answers


def _shared(
    a_answers: Sequence[ScoredAnswer], b_answers: Sequence[ScoredAnswer]
) -> list[tuple[ScoredAnswer, ScoredAnswer]]:
    """The answers of two runs to the same rows: by the rows' texts, or by their ids where a side knows no texts.

    An id holds a row's number in its file, so it stands for another row once rows were inserted. Where ids are all
    there is, gold answers that differ are the sign of that, and UserError is raised.
    """
    by_text = all("text_sha256" in answer for answer in (*a_answers, *b_answers))
    keyed_a, keyed_b = _keyed(a_answers, by_text), _keyed(b_answers, by_text)
    shared = [(keyed_a[key], keyed_b[key]) for key in sorted(keyed_a.keys() & keyed_b.keys())]
    differing = [one["id"] for one, other in shared if not equal(one["gold"], other["gold"])]
    if differing and not by_text:
        raise UserError(
            f"{len(differing)} of the {len(shared)} test rows with the same id have two different gold answers, the "
            f"first is {differing[0]!r}. Rows were inserted, moved or relabelled between the two runs, so the same id "
            "may be another text. Measure both runs again: new evaluations are matched by the texts themselves."
        )
    return shared


def _keyed(answers: Sequence[ScoredAnswer], by_text: bool) -> dict[tuple[str, int], ScoredAnswer]:
    """The answers by text or id; a text that stands several times is numbered."""
    seen: Counter[str] = Counter()
    keyed = {}
    for answer in answers:
        key = answer["text_sha256"] if by_text else answer["id"]
        keyed[key, seen[key]] = answer
        seen[key] += 1
    return keyed


def _aligned(
    a_answers: Sequence[ScoredAnswer], b_answers: Sequence[ScoredAnswer]
) -> tuple[list[ScoredAnswer], list[ScoredAnswer]]:
    """Both models' answers in the order of their row ids."""
    first, second = (sorted(answers, key=lambda answer: answer["id"]) for answers in (a_answers, b_answers))
    ids_a, ids_b = [answer["id"] for answer in first], [answer["id"] for answer in second]
    if ids_a != ids_b:
        apart = min((Counter(ids_a) - Counter(ids_b)) + (Counter(ids_b) - Counter(ids_a)))
        raise UserError(
            f"The two models did not answer the same rows ({len(ids_a)} and {len(ids_b)}; {apart!r} is one that "
            "only one of them has). Evaluate both on the same test split."
        )
    for one, other in zip(first, second, strict=True):
        texts = {side["text_sha256"] for side in (one, other) if "text_sha256" in side}
        if len(texts) > 1 or not equal(one["gold"], other["gold"]):
            what = "texts" if len(texts) > 1 else "gold answers"
            raise UserError(
                f"Row {one['id']!r} has two different {what} in the two evaluations. Evaluate both models "
                "on the same test split."
            )
    return first, second


def _ratios(recipe: Recipe, answers: Sequence[ScoredAnswer], mode: Mode) -> dict[str, Any]:
    return ratios(recipe, [answer["gold"] for answer in answers], texts_of(answers, mode))


def _ratio(recipe: Recipe, answers: Sequence[ScoredAnswer], metric: str, mode: Mode) -> Any:
    known = _ratios(recipe, answers, mode)
    if metric not in known:
        raise UserError(f"There is no metric {metric!r} for this task. Choose one of: {', '.join(known)}.")
    return known[metric]
