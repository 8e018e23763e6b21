"""GGUF files."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def export(recipe: str, data: Input[Dataset], dpo: Input[Model], models: Output[Model]) -> None:
    """Merge the adapter, prove that the 16-bit GGUF file is the same model, and quantise it to the recipe's formats."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("export", models) as out:
        from components.export.render import renderer
        from stillroom.data.rows import read_rows
        from stillroom.export.export import export
        from stillroom.models.base import resolve_base_model
        from stillroom.track.step import run_step

        spec, train, adapter = read_recipe(recipe), Path(data.path, "train.jsonl"), Path(dpo.path, "adapter")
        base = resolve_base_model(spec.base_model)

        def build(to: Path) -> None:
            export(spec, base, adapter, read_rows(train), renderer(spec, base), to)

        inputs = {"base": base, "data": Path(data.path), "dpo": Path(dpo.path)}
        run_step("export", out, spec, ("name", "instruction", "output_schema", "train", "export"), inputs, build)
