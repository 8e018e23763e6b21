"""The report for people."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    recipe: str,
    data: Input[Dataset],
    base_evaluation: Input[Artifact],
    sft: Input[Model],
    sft_evaluation: Input[Artifact],
    preferences: Input[Artifact],
    dpo: Input[Model],
    models: Input[Model],
    measurements: Input[Artifact],
    verdict: Input[Artifact],
    report: Output[Artifact],
    page: Output[HTML],
) -> None:
    """Write `report.html`, for a rejected model too; `page` is the same file for KFP's own interface."""
    from pathlib import Path
    from shutil import copyfile

    from stillroom.track.task import read_recipe, task

    with task("report", report) as out:
        from stillroom.report.page import write_report
        from stillroom.track.step import run_step

        spec = read_recipe(recipe)
        steps = {"data": data, "base": base_evaluation, "sft": sft, "sft-evaluation": sft_evaluation}
        steps |= {"models": models, "measure": measurements, "gate": verdict}
        if spec.dpo is not None:
            steps |= {"preferences": preferences, "dpo": dpo}
        folders = {name: Path(artifact.path) for name, artifact in steps.items()}
        everything = tuple(type(spec).model_fields)
        run_step("report", out, spec, everything, folders, lambda to: write_report(spec, folders, to))
        copyfile(out / "report.html", page.path)
