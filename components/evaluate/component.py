"""A model's scores on rows that it has not seen."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    recipe: str,
    model: str,
    data: Input[Dataset],
    evaluation: Output[Artifact],
    scores: Output[Metrics],
    adapter: Input[Model] = None,  # KFP's way to say that it may be left out
    split: str = "test",
) -> None:
    """Answer a split with the base model, or with an adapter on it, through the engine that will serve."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task(f"evaluate-{model}", evaluation) as out:
        from components.evaluate.gguf import write_gguf
        from components.metrics import log_scores
        from serving.engine.specialist import Specialist
        from stillroom.data.rows import read_rows
        from stillroom.evaluate.score import evaluate
        from stillroom.models.base import resolve_base_model
        from stillroom.track.step import run_step

        spec, rows = read_recipe(recipe), Path(data.path)
        base = resolve_base_model(spec.base_model)
        tuned = Path(adapter.path) if adapter is not None else None

        # Trained through a rounding, the model is what that rounding makes of it.
        through = spec.train.quantization_aware if tuned else None

        def build(to: Path) -> None:
            # Later steps ask the model that was tested; one of many variants is not asked again, and is large.
            place = to if split == "test" else to / "work"
            write_gguf(base, tuned / "adapter" if tuned else None, place, through)
            evaluate(spec, read_rows(rows / f"{split}.jsonl"), Specialist(place / "model.gguf", spec), model, to)

        inputs: dict[str, Path | str] = {"base": base, "data": rows}
        if tuned is not None:
            inputs["adapter"] = tuned
        if through is not None:
            inputs["format"] = through
        if split != "test":
            inputs["split"] = split
        run_step(f"evaluate-{model}", out, spec, ("instruction", "output_schema", "serve"), inputs, build)
        log_scores(scores, out / "evaluation.json")
