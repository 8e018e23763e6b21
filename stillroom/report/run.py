"""What a run left behind, read from the folders of its steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillroom.data.statistics import STATISTICS
from stillroom.errors import UserError
from stillroom.files import read_json, read_jsonl

Json = dict[str, Any]

STEPS = {
    "data": "Prepare data",
    "sft": "Fine-tune (SFT)",
    "preferences": "Build preferences",
    "dpo": "Align (DPO)",
    "base": "Evaluate base model",
    "sft-evaluation": "Evaluate after SFT",
    "models": "Export to GGUF",
    "measure": "Measure each file",
    "gate": "Gate",
}
"""Every step the report reads, in the order of the run, with the name a reader sees."""

OPTIONAL = {"preferences", "dpo"}
"""Steps that a recipe without DPO does not have."""


@dataclass(frozen=True)
class Training:
    """One training step: its log and its totals."""

    curves: list[Json]
    totals: Json


@dataclass(frozen=True)
class Run:
    """Everything the report shows, as it lies in the files."""

    data: Json
    statistics: Json | None
    pretrain: Training | None
    sft: Training
    dpo: Training | None
    preferences: Json | None
    pairs: list[Json]
    summary: Json
    shown: str
    answers: list[Json]
    texts: dict[str, str]
    steps: dict[str, Json]


def read_run(steps: Mapping[str, Path]) -> Run:
    """Read the folders of the steps, by the names of STEPS; raises UserError where one or its file is missing."""
    missing = [name for name in STEPS if name not in steps and name not in OPTIONAL]
    if missing:
        raise UserError(f"The report needs the folders of these steps too: {', '.join(missing)}.")
    summary = read_json(steps["gate"] / "evaluation.json")
    shown = shown_format(summary)
    statistics = steps["data"] / STATISTICS
    preferences = steps.get("preferences")
    dpo = steps.get("dpo")
    return Run(
        data=read_json(steps["data"] / "data_report.json"),
        statistics=read_json(statistics) if statistics.is_file() else None,
        pretrain=_training(steps["sft"] / "pretrain") if (steps["sft"] / "pretrain").is_dir() else None,
        sft=_training(steps["sft"]),
        dpo=_training(dpo) if dpo else None,
        preferences=read_json(preferences / "preferences.json") if preferences else None,
        pairs=_lines(preferences / "pairs.jsonl") if preferences else [],
        summary=summary,
        shown=shown,
        answers=_lines(steps["measure"] / shown / "answers.jsonl"),
        texts={row["id"]: row["text"] for row in _lines(steps["data"] / "test.jsonl")},
        steps={name: read_json(steps[name] / "step.json") for name in STEPS if name in steps},
    )


def shown_format(summary: Json) -> str:
    """The file whose answers are shown: the chosen one, or where none was accepted the first, which lost least."""
    chosen = summary.get("chosen")
    return str(chosen or summary["formats"][0]["format"])


def _training(folder: Path) -> Training:
    return Training(_lines(folder / "curves.jsonl"), read_json(folder / "training.json"))


def _lines(path: Path) -> list[Json]:
    if not path.is_file():
        raise UserError(f"No such file: {path}")
    return list(read_jsonl(path))
