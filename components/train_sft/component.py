"""Supervised fine-tuning."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_sft(recipe: str, data: Input[Dataset], sft: Output[Model]) -> None:
    """Train the LoRA adapter on the train split's gold answers."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("train-sft", sft) as out:
        from components.ray_workers import several, train_on_workers
        from stillroom.data.rows import read_rows
        from stillroom.models.base import resolve_base_model
        from stillroom.track.step import run_step
        from stillroom.train.sft import train_sft

        spec, rows = read_recipe(recipe), Path(data.path)
        base = resolve_base_model(spec.base_model)

        def build(to: Path) -> None:
            if several(spec.train):
                splits = {f"{split}.jsonl": rows / f"{split}.jsonl" for split in ("train", "validation")}
                train_on_workers("train-sft", spec, splits, to)
                return
            train_sft(spec, base, read_rows(rows / "train.jsonl"), read_rows(rows / "validation.jsonl"), to)

        sections = ("base_model", "instruction", "output_schema", "sft", "train")
        run_step("train-sft", out, spec, sections, {"base": base, "data": rows}, build)
