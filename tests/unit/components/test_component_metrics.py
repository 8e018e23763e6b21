"""KFP's own metrics, written with KFP's own artifacts."""

import json
from pathlib import Path
from typing import Any

from kfp.dsl import ClassificationMetrics, Metrics

from components.metrics import log_confusion, log_scores


def evaluation(constrained: bool = True) -> dict[str, Any]:
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    matrix = {"labels": ["event", "spam", "(invalid)"], "counts": [[3, 1, 0], [0, 4, 1]]}
    scores = {"exact_match": interval, "confusion": {"category": matrix}, "accuracy": {"category": interval}}
    group = {"rows": 9, "unconstrained": scores, "constrained": scores if constrained else None}
    return {"model": "sft", "seconds_per_row": 0.2, "groups": {"all": group}}


def test_scores(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(evaluation()))
    artifact = Metrics()
    log_scores(artifact, path)
    assert artifact.metadata == {
        "sft seconds per row": 0.2,
        "sft unconstrained exact_match": 0.5,
        "sft constrained exact_match": 0.5,
    }


def test_a_free_text_task(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(evaluation(constrained=False)))
    artifact = Metrics()
    log_scores(artifact, path)
    assert "sft constrained exact_match" not in artifact.metadata
    confusion = ClassificationMetrics()
    log_confusion(confusion, {"models": {"sft": evaluation(constrained=False)}, "chosen": "sft"})
    assert confusion.metadata == {}


def test_the_confusion_matrix_is_square() -> None:
    artifact = ClassificationMetrics()
    log_confusion(artifact, {"models": {"sft": evaluation()}, "chosen": "sft"})
    matrix = artifact.metadata["confusionMatrix"]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == ["event", "spam", "(invalid)"]
    assert [row["row"] for row in matrix["rows"]] == [[3, 1, 0], [0, 4, 1], [0, 0, 0]]
