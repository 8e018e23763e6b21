"""The figures that KFP's own interface shows beside a run."""

from pathlib import Path
from typing import Any, Protocol

from stillroom.files import read_json


class MetricsArtifact(Protocol):
    """kfp.dsl.Metrics."""

    def log_metric(self, metric: str, value: float) -> None:
        """Note one figure."""


class ConfusionArtifact(Protocol):
    """kfp.dsl.ClassificationMetrics."""

    def log_confusion_matrix(self, categories: list[str], matrix: list[list[int]]) -> None:
        """Note the counts, gold by predicted."""


def log_scores(artifact: MetricsArtifact, *evaluations: Path) -> None:
    """Note the main figures of each evaluation.json, over all sources."""
    for path in evaluations:
        evaluation = read_json(path)
        name = evaluation["model"]
        artifact.log_metric(f"{name} seconds per row", evaluation["seconds_per_row"])
        for mode in ("unconstrained", "constrained"):
            for metric, value in (evaluation["groups"]["all"][mode] or {}).items():
                if "value" in value:
                    artifact.log_metric(f"{name} {mode} {metric}", value["value"])


def log_confusion(artifact: ConfusionArtifact, summary: dict[str, Any]) -> None:
    """Note the chosen model's confusion matrix of the first class field, if the task has one."""
    scores = summary["models"][summary["chosen"]]["groups"]["all"]["constrained"] or {}
    for matrix in list(scores.get("confusion", {}).values())[:1]:
        labels = [str(label) for label in matrix["labels"]]
        # KFP takes square matrices only, and no gold answer is invalid: that row holds zeros.
        rows = [*matrix["counts"], *[[0] * len(labels)] * (len(labels) - len(matrix["counts"]))]
        artifact.log_confusion_matrix(labels, rows)
