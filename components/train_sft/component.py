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
        from stillroom.files import read_jsonl
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
            train, validation = (read_rows(rows / f"{split}.jsonl") for split in ("train", "validation"))
            raw_text = (line["text"] for line in read_jsonl(rows / "pretrain.jsonl")) if spec.pretrain else ()
            train_sft(spec, base, train, validation, to, raw_text=raw_text)

        read_first = ("pretrain",) if spec.pretrain else ()
        sections = ("base_model", "instruction", "output_schema", *read_first, "sft", "train")
        run_step("train-sft", out, spec, sections, {"base": base, "data": rows}, build)
