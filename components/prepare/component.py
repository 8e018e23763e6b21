"""Read the recipe's sources, clean them and split them."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare(recipe: str, base: str, data: Output[Dataset]) -> None:
    """Write the three splits and the data report; relative source paths start from the folder `base`."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, source_files, task

    with task("prepare", data) as out:
        from components.ray_data import executor_of
        from stillroom.data.finish import prepare_data_set
        from stillroom.data.spam_assassin import presence
        from stillroom.track.step import run_step

        spec = read_recipe(recipe)
        inputs = source_files(spec, Path(base)) | presence(spec)
        taught = ("teacher",) if any(source.kind == "distilled" for source in spec.data.sources) else ()
        sections = ("output_schema", "data", *taught, *(("pretrain",) if spec.pretrain else ()))
        run_step(
            "prepare",
            out,
            spec,
            sections,
            inputs,
            lambda to: prepare_data_set(spec, Path(base), to, executor_of(spec, to)),
        )
