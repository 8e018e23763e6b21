"""Preference training."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_dpo(recipe: str, sft: Input[Model], preferences: Input[Artifact], dpo: Output[Model]) -> None:
    """Train the SFT adapter on; where the recipe has no preferences, it goes through as it is."""
    from pathlib import Path
    from shutil import copytree

    from stillroom.track.task import read_recipe, task

    with task("train-dpo", dpo) as out:
        from components.ray_workers import several, train_on_workers
        from stillroom.models.base import resolve_base_model
        from stillroom.track.step import run_step
        from stillroom.train.dpo import train_dpo

        spec, adapter, pairs = read_recipe(recipe), Path(sft.path, "adapter"), Path(preferences.path, "pairs.jsonl")
        base = resolve_base_model(spec.base_model)

        def build(to: Path) -> None:
            if spec.dpo is None:
                copytree(adapter, to / "adapter", dirs_exist_ok=True)
            elif several(spec.train):
                train_on_workers("train-dpo", spec, {"adapter": adapter, "pairs.jsonl": pairs}, to)
            else:
                train_dpo(spec, base, adapter, pairs, to)

        inputs = {"base": base, "sft": Path(sft.path), "preferences": Path(preferences.path)}
        run_step("train-dpo", out, spec, ("base_model", "instruction", "output_schema", "dpo", "train"), inputs, build)
