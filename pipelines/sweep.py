"""One variant of a sweep: trained, and scored on one split."""

from kfp import dsl

from components.evaluate.component import evaluate
from components.prepare.component import prepare
from components.train_sft.component import train_sft


@dsl.pipeline(name="variant", description="One variant of a sweep, scored on the validation split.")
def variant(recipe: str, split: str = "validation", base: str = ".") -> None:
    """`recipe` is the variant's own text; relative paths in it start from the folder `base`."""
    data = prepare(recipe=recipe, base=base).outputs["data"]
    sft = train_sft(recipe=recipe, data=data).outputs["sft"]
    evaluate(recipe=recipe, model="sft", data=data, adapter=sft, split=split)
