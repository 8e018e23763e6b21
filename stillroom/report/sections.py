"""The contents of the report, section by section, as plain values for the templates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from stillroom.preferences.pairs import JUDGED, OWN_ERROR
from stillroom.recipe.model import Recipe
from stillroom.report import charts
from stillroom.report.answers import cases, spread
from stillroom.report.run import STEPS, Json, Run
from stillroom.report.scores import (
    Score,
    decoded,
    fields_of,
    group_label,
    group_names,
    ladder_label,
    scores_of,
)
from stillroom.report.words import NBSP, Interval, human, number, shorten

MOST_WRONG, MOST_RIGHT = 20, 3
"""Answers shown; more than twenty failures are not read, and three right ones show what right means."""

LONGEST_TEXT = 3000
"""Characters of a text that are shown; the page stays under 1.5 MB even where the recipe allows longer texts."""

_MAIL_KINDS = {"mbox", "maildir", "eml", "spam-assassin", "generated-event-mail"}
_RULES = {
    OWN_ERROR: "The model's own error",
    JUDGED: "The model's own error, as a judge found",
    "prose_around": "Prose around it",
}
_LARGEST_MATRIX = 14
"""Labels up to which a confusion matrix is drawn; beyond, the most frequent confusions are listed."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart drawn twice, for a wide and for a narrow page; CSS shows one of them."""

    wide: Markup
    narrow: Markup


def noun_of(recipe: Recipe) -> str:
    """What one input of the recipe is called."""
    return "e-mail" if all(source.kind in _MAIL_KINDS for source in recipe.data.sources) else "text"


def verdict(recipe: Recipe, run: Run) -> Json:
    """The run in one sentence, and the figures that a reader looks for first."""
    summary = run.summary
    evaluation = summary["models"][run.shown]
    file = _file(run, run.shown)
    exact = Score("", "constrained", "exact_match").read(evaluation["groups"]["all"])
    gain = points(summary["comparisons"].get("chosen_over_base") or summary["comparisons"].get("sft_over_base"))
    return {
        "passed": summary["gate"]["passed"],
        "chosen": summary.get("chosen") is not None,
        "file": PurePath(file["file"]).name,
        "bytes": file["bytes"],
        "seconds": file["seconds_per_row"],
        "rows": evaluation["groups"]["all"]["rows"],
        "exact": exact,
        "gain": gain,
        "gain_metric": _metric(recipe),
        "scores": [(score.title, score.read(evaluation["groups"]["all"])) for score in scores_of(summary)[1:]],
        "failed": [check for check in summary["gate"]["checks"] if not check["passed"]],
        "checks": len(summary["gate"]["checks"]),
        "base_model": recipe.base_model,
        "finished": run.steps["gate"]["started"],
        "total_seconds": sum(step["seconds"] for step in run.steps.values()),
    }


def training(run: Run) -> Json:
    """The learning curves and what the training cost."""
    sft = [
        charts.Curve("Training", _series(run.sft.curves, "loss"), "c1", noisy=True),
        charts.Curve("Validation", _series(run.sft.curves, "validation_loss"), "c2"),
    ]
    result: Json = {
        "pretrain": run.pretrain and run.pretrain.totals,
        "sft": run.sft.totals,
        "dpo": run.dpo and run.dpo.totals,
        "sft_figure": drawn("sft-loss", lambda name, width: charts.curves(name, width, sft, "Loss during SFT", True)),
    }
    if run.pretrain:
        read = [charts.Curve("Training", _series(run.pretrain.curves, "loss"), "c1", noisy=True)]
        result["pretrain_figure"] = drawn(
            "pretrain-loss", lambda name, width: charts.curves(name, width, read, "Loss on raw text", True)
        )
    if run.dpo:
        lines = run.dpo.curves
        apart = [
            charts.Curve("Chosen", _series(lines, "logps_chosen"), "c1", noisy=True),
            charts.Curve("Rejected", _series(lines, "logps_rejected"), "c2", noisy=True),
        ]
        margin = [charts.Curve("Margin", _series(lines, "margin"), "c3", noisy=True)]
        half = (charts.WIDE - 40) // 2
        result["dpo_figures"] = [
            (
                "Log-probability of the answers, in nats",
                drawn("dpo-logps", lambda name, width: charts.curves(name, width, apart, "DPO log-probs"), half),
            ),
            (
                "Margin between chosen and rejected",
                drawn("dpo-margin", lambda name, width: charts.curves(name, width, margin, "DPO margin"), half),
            ),
        ]
    return result


def ladder(recipe: Recipe, run: Run, noun: str) -> Json:
    """Base → SFT → DPO → each format, as a chart for each group of test rows and one table."""
    summary = run.summary
    scores = scores_of(summary)
    groups: list[Json] = []
    for position, group in enumerate(group_names(summary)):
        panels = [
            charts.Panel(
                score.title,
                [
                    charts.WhiskerRow(
                        ladder_label(summary, name),
                        score.read(evaluation["groups"].get(group) or _NO_GROUP),
                        chosen=name == summary.get("chosen"),
                    )
                    for name, evaluation in summary["models"].items()
                ],
            )
            for score in scores
        ]
        label = group_label(group, noun)
        rows = next(iter(summary["models"].values()))["groups"][group]["rows"]
        groups.append(
            {
                "label": label,
                "rows": rows,
                "figure": _whiskers(f"ladder-{position}", panels, f"Scores on {label}"),
                "models": [
                    {
                        "label": ladder_label(summary, name),
                        "chosen": name == summary.get("chosen"),
                        "scores": [score.read(evaluation["groups"].get(group) or _NO_GROUP) for score in scores],
                        "seconds": evaluation.get("seconds_per_row"),
                        "tokens_per_second": evaluation.get("tokens_per_second"),
                    }
                    for name, evaluation in summary["models"].items()
                ],
            }
        )
    compared = {name: points(raw) for name, raw in summary["comparisons"].items()}
    return {
        "groups": groups,
        "titles": [score.title for score in scores],
        "comparisons": compared,
        "metric": _metric(recipe),
    }


_NO_GROUP: Json = {"unconstrained": {}, "constrained": {}}


def fields(run: Run, noun: str) -> Json | None:
    """F1 of every field, base model against the shown file; None for a free-text task."""
    summary = run.summary
    names = fields_of(summary)
    if not names:
        return None
    panels = []
    for group in group_names(summary):
        shown = summary["models"][run.shown]["groups"].get(group) or _NO_GROUP
        base = summary["models"]["base"]["groups"].get(group) or _NO_GROUP
        scores = {name: Score("", "constrained", "field_f1", name) for name in names}
        rows = [charts.WhiskerRow(name, scores[name].read(shown), scores[name].read(base)) for name in names]
        panels.append(charts.Panel(group_label(group, noun), rows))
    return {
        "model": ladder_label(summary, run.shown),
        "figure": _whiskers("fields", panels, "F1 of each field", rival="Base model"),
    }


def confusion(run: Run, noun: str) -> list[Json]:
    """A confusion matrix for each group and each top-level enum, of the shown file."""
    matrices = []
    for group in group_names(run.summary):
        scores = decoded(run.summary["models"][run.shown]["groups"].get(group) or _NO_GROUP, "constrained")
        for key, matrix in (scores.get("confusion") or {}).items():
            labels, counts = matrix["labels"], matrix["counts"]
            # Rows without any gold answer and columns without any prediction say nothing in a group of one class.
            golds = [i for i in range(len(labels)) if sum(counts[i])]
            predicted = [j for j in range(len(labels)) if j in golds or any(row[j] for row in counts)]
            wrong = [(counts[i][j], labels[i], labels[j]) for i in golds for j in predicted if i != j and counts[i][j]]
            matrices.append(
                {
                    "group": group_label(group, noun),
                    "key": key,
                    "drawn": len(predicted) <= _LARGEST_MATRIX,
                    "columns": [labels[j] for j in predicted],
                    "rows": [
                        {
                            "label": labels[i],
                            "total": sum(counts[i]),
                            "cells": [
                                {"count": counts[i][j], "share": counts[i][j] / sum(counts[i]), "right": i == j}
                                for j in predicted
                            ],
                        }
                        for i in golds
                    ],
                    "classes": class_report(labels, counts),
                    "worst": sorted(wrong, key=lambda one: -one[0])[:15],
                }
            )
    return matrices


def class_report(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Json:
    """Precision, recall and F1 of each class that has gold answers, and their plain mean (macro F1).

    A class that is never answered has no precision, and an F1 of 0.
    """
    rows: list[Json] = []
    for place, label in enumerate(labels):
        gold, answered = sum(counts[place]), sum(row[place] for row in counts)
        if gold:
            right = counts[place][place]
            precision = right / answered if answered else None
            f1 = 2 * right / (gold + answered)
            rows.append({"label": label, "rows": gold, "precision": precision, "recall": right / gold, "f1": f1})
    return {"rows": rows, "macro_f1": sum(row["f1"] for row in rows) / len(rows) if rows else None}


def formats(recipe: Recipe, run: Run, noun: str) -> Json:
    """Size, speed and quality of each GGUF file."""
    from stillroom.evaluate.bounds import least_bound

    candidates = []
    rows = []
    for file in run.summary["formats"]:
        group = run.summary["models"][file["format"]]["groups"]["all"]
        exact = Score("", "constrained", "exact_match").read(group)
        chosen = file["format"] == run.summary.get("chosen")
        rows.append({**file, "exact": exact, "loss": Interval.read(file.get("loss_points")), "is_chosen": chosen})
        if exact:
            candidates.append(
                charts.Candidate(
                    file["format"], file["bytes"], file["seconds_per_row"], exact, file["accepted"], chosen
                )
            )
    figure = None
    if candidates:
        title = "Size, speed and quality"
        figure = drawn("trade", lambda name, width: charts.trade(name, width, candidates, title, noun))
    count = run.summary["models"][run.shown]["groups"]["all"]["rows"]
    return {
        "rows": rows,
        "figure": figure,
        "bound": recipe.export.max_loss_points,
        "metric": _metric(recipe),
        "count": count,
        "least": f"{100 * least_bound(count):.1f}",
    }


def preferences(run: Run) -> Json | None:
    """The preference pairs by the rule that made the rejected answer, with one example each; None without DPO."""
    if run.preferences is None:
        return None
    made = {**run.preferences["by_rule"], OWN_ERROR: run.preferences["own_errors"]}
    rules = sorted(made.items(), key=lambda item: (-item[1], item[0]))
    most = max((count for _, count in rules), default=0) or 1
    examples: dict[str, Json] = {}
    for pair in run.pairs:
        examples.setdefault(pair["rule"], {**pair, "text": shorten(pair["text"], 400)})
    return {
        **run.preferences,
        "bars": [
            {"label": _RULES.get(rule) or human(rule), "count": count, "width": count / most} for rule, count in rules
        ],
        "examples": [
            {
                "rule": _RULES.get(rule) or human(rule),
                "chosen": shorten(examples[rule]["chosen"], 600),
                "rejected": shorten(examples[rule]["rejected"], 600),
            }
            for rule, _ in rules
            if rule in examples
        ],
    }


def failures(recipe: Recipe, run: Run) -> Json:
    """Wrong answers of the shown file beside the gold ones, and a few right ones."""
    found = cases(recipe, run.answers, run.texts)
    wrong, right = [case for case in found if not case.right], [case for case in found if case.right]
    return {
        "model": ladder_label(run.summary, run.shown),
        "rows": len(found),
        "wrong": len(wrong),
        "shown": [
            {"case": case, "headline": _headline(case.text), "text": shorten(case.text, LONGEST_TEXT)}
            for case in spread(wrong, MOST_WRONG)
        ],
        "right": [
            {"case": case, "headline": _headline(case.text), "text": shorten(case.text, LONGEST_TEXT)}
            for case in spread(right, MOST_RIGHT)
        ],
    }


def lineage(run: Run) -> Json:
    """Every step with its seconds, seed, inputs and outputs; library versions once for all."""
    versions: dict[str, list[str]] = {}
    for step in run.steps.values():
        for library, version in step["versions"].items():
            if version not in versions.setdefault(library, []):
                versions[library].append(version)
    return {
        "steps": [{"title": STEPS[name], **step} for name, step in run.steps.items()],
        "versions": dict(sorted(versions.items())),
        "total_seconds": sum(step["seconds"] for step in run.steps.values()),
    }


def recipe_text(recipe: Recipe) -> Json:
    """The recipe as YAML, once as it was written and once with every default filled in."""
    return {
        "written": _yaml(recipe.model_dump(mode="json", exclude_unset=True, exclude={"profiles"})),
        "full": _yaml(recipe.model_dump(mode="json", exclude={"profiles"})),
    }


def _yaml(value: Json) -> str:
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import walk_tree

    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    walk_tree(value)
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def _metric(recipe: Recipe) -> str:
    """What models are compared by, in words."""
    from stillroom.evaluate.score import METRIC_WORDS, headline_metric

    return METRIC_WORDS[headline_metric(recipe)]


def points(raw: Json | None) -> Interval | None:
    """A difference between two shares as points of 100."""
    interval = Interval.read(raw)
    return interval and Interval(interval.value * 100, interval.low * 100, interval.high * 100)


def _file(run: Run, name: str) -> Json:
    found: Json = next(file for file in run.summary["formats"] if file["format"] == name)
    return found


def _headline(text: str) -> str:
    """A mail's subject, or the beginning of another text."""
    lines = text.splitlines()
    subject = next((line[8:].strip() for line in lines if line.lower().startswith("subject:")), "")
    return shorten(subject or next((line.strip() for line in lines if line.strip()), "(no text)"), 90)


def _series(lines: list[Json], key: str) -> list[tuple[float, float]]:
    return [(float(line["step"]), float(line[key])) for line in lines if line.get(key) is not None]


def drawn(name: str, draw: Callable[[str, int], Markup], wide: int = charts.WIDE) -> Figure:
    return Figure(draw(f"{name}-wide", wide), draw(f"{name}-narrow", charts.NARROW))


def _whiskers(name: str, panels: list[charts.Panel], title: str, rival: str = "") -> Figure:
    return drawn(name, lambda one, width: charts.whiskers(one, width, panels, title, rival))


def share_of(part: Any, whole: Any) -> str:
    """`part` of `whole` in per cent, without digits after the point."""
    return f"{100 * part / whole:.0f}{NBSP}%" if whole else number(None)
