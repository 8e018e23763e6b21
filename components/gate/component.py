"""The gates of the recipe."""

from kfp import dsl
from kfp.dsl import Artifact, ClassificationMetrics, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    recipe: str,
    base_evaluation: Input[Artifact],
    sft_evaluation: Input[Artifact],
    measurements: Input[Artifact],
    verdict: Output[Artifact],
    scores: Output[Metrics],
    confusion: Output[ClassificationMetrics],
) -> str:
    """Put all evaluations together and say "passed" or "rejected"."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("gate", verdict) as out:
        from components.metrics import log_confusion, log_scores
        from stillroom.evaluate.summary import summarise
        from stillroom.files import read_json
        from stillroom.track.step import run_step

        spec, measured = read_recipe(recipe), Path(measurements.path)
        folders = {"base": Path(base_evaluation.path), "sft": Path(sft_evaluation.path)}
        inputs = {**folders, "measure": measured}
        folders |= {path.parent.name: path.parent for path in measured.glob("*/evaluation.json")}

        def build(to: Path) -> None:
            summarise(spec, folders, measured / "formats.json", to / "evaluation.json")

        run_step("gate", out, spec, ("name", "output_schema", "dpo", "train", "export", "gates"), inputs, build)
        summary = read_json(out / "evaluation.json")
        log_scores(scores, folders[summary["chosen"]] / "evaluation.json")
        log_confusion(confusion, summary)
        return "passed" if summary["gate"]["passed"] else "rejected"
