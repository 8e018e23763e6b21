"""A version in the model registry."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    recipe: str,
    data: Input[Dataset],
    sft: Input[Model],
    dpo: Input[Model],
    models: Input[Model],
    verdict: Input[Artifact],
    report: Input[Artifact],
    registration: Output[Artifact],
) -> None:
    """Log the run in MLflow and register the chosen GGUF file as a new version."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("register", registration) as out:
        from stillroom.track.registry import register, tracking_uri
        from stillroom.track.step import run_step

        spec, uri = read_recipe(recipe), tracking_uri()
        names = {"data": data, "sft": sft, "dpo": dpo, "models": models, "gate": verdict, "report": report}
        folders = {name: Path(artifact.path) for name, artifact in names.items()}
        inputs: dict[str, Path | str] = {**folders, "tracking": uri}
        run_step("register", out, spec, ("name",), inputs, lambda to: register(spec, folders, uri, to))
