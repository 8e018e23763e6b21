"""All that a run measured, in one document: what the report draws and the gate judges."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.evaluate.bootstrap import Interval
from stillroom.evaluate.compare import paired, read_answers
from stillroom.evaluate.formats import reference_format
from stillroom.evaluate.gates import checks
from stillroom.evaluate.score import ScoredAnswer, headline_metric
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe

TRAINING_STAGES = ("base", "sft")


def summarise(recipe: Recipe, evaluations: dict[str, Path], formats: Path | None, out: Path) -> dict[str, Any]:
    """Put a run's evaluations together, compare them, judge the gates, and write it all to the file `out`.

    `evaluations` maps "base", "sft" and the names of formats to folders with evaluation.json and answers.jsonl.
    `formats` is the formats.json that holds what `formats.choose` returned, or None where nothing was exported.
    A comparison whose two models were not both evaluated is null.
    """
    measured = read_json(formats) if formats is not None else {"formats": [], "chosen": None}
    exported = [line["format"] for line in measured["formats"]]
    missing = [name for name in exported if name not in evaluations]
    if missing:
        raise UserError(f"No evaluation of {', '.join(missing)}, though {formats} lists it. Measure every format.")
    names = _ordered(list(evaluations), exported)
    if not names:
        raise UserError("There is no evaluation to summarise.")
    answers = {name: read_answers(evaluations[name]) for name in names}
    summary: dict[str, Any] = {
        "recipe": recipe.name,
        "models": {name: read_json(evaluations[name] / "evaluation.json") for name in names},
        "formats": measured["formats"],
        "chosen": measured["chosen"],
        "comparisons": _comparisons(recipe, answers, measured["chosen"] or names[-1]),
    }
    verdicts = checks(recipe, summary)
    summary["gate"] = {"passed": all(check["passed"] for check in verdicts), "checks": verdicts}
    write_json(out, summary)
    return summary


def _comparisons(recipe: Recipe, answers: dict[str, list[ScoredAnswer]], judged: str) -> dict[str, Interval | None]:
    """Paired differences between the stages, of exact match or, for free text, of token F1.

    The model after DPO is measured as the file that training went through (see `train.quantization_aware`), else as the
    16-bit one, and so is the one before. `dpo_over_sft` also holds whatever conversion did, and without DPO there is
    nothing to compare.
    """

    def over(name: str | None, other: str, metric: str, unconstrained: bool = False) -> Interval | None:
        if name is None or name == other or name not in answers or other not in answers:
            return None
        return paired(answers[name], answers[other], recipe, metric, "unconstrained" if unconstrained else None)

    quantised = [name for name in answers if name not in TRAINING_STAGES]
    trained = recipe.train.quantization_aware or _reference(quantised)
    dpo = trained if recipe.dpo is not None else None
    metric = headline_metric(recipe)
    schema_task = recipe.output_schema is not None
    return {
        "sft_over_base": over("sft", "base", metric),
        "dpo_over_sft": over(dpo, "sft", metric),
        "dpo_over_sft_schema_valid": over(dpo, "sft", "schema_valid", unconstrained=True) if schema_task else None,
        "chosen_over_base": over(judged, "base", metric),
    }


def _ordered(names: Sequence[str], exported: Sequence[str]) -> list[str]:
    """The order of the story: base, sft, the 16-bit file (which is DPO's result), then the other formats."""
    first = [reference_format(exported)] if exported else []
    return [name for name in dict.fromkeys([*TRAINING_STAGES, *first, *exported, *names]) if name in names]


def _reference(names: Sequence[str]) -> str | None:
    return reference_format(names) if names else None
