"""Quality, size and speed of every GGUF file."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def measure(
    recipe: str, data: Input[Dataset], models: Input[Model], measurements: Output[Artifact], scores: Output[Metrics]
) -> None:
    """Answer the test split with each file on this CPU, and choose the fastest that loses little enough."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("measure", measurements) as out:
        from components.measure.formats import measure_formats
        from components.metrics import log_scores
        from stillroom.track.step import run_step

        spec, rows, files = read_recipe(recipe), Path(data.path), Path(models.path)

        def build(to: Path) -> None:
            measure_formats(spec, rows / "test.jsonl", files, to)

        sections = ("instruction", "output_schema", "export", "serve")
        run_step("measure", out, spec, sections, {"data": rows, "models": files}, build)
        log_scores(scores, *sorted(out.glob("*/evaluation.json")))
