"""One recipe in, one measured specialist out."""

from kfp import dsl

from components.build_preferences.component import build_preferences
from components.evaluate.component import evaluate
from components.export.component import export
from components.gate.component import gate
from components.measure.component import measure
from components.prepare.component import prepare
from components.register.component import register
from components.report.component import report
from components.train_dpo.component import train_dpo
from components.train_sft.component import train_sft


@dsl.pipeline(name="specialist", description="One recipe in, one small measured specialist out.")
def specialist(recipe: str, base: str = ".") -> None:
    """`recipe` is the recipe's text; relative paths in it start from the folder `base`."""
    data = prepare(recipe=recipe, base=base).outputs["data"]
    base_evaluation = evaluate(recipe=recipe, model="base", data=data).outputs["evaluation"]
    sft = train_sft(recipe=recipe, data=data).outputs["sft"]
    sft_evaluation = evaluate(recipe=recipe, model="sft", data=data, adapter=sft).outputs["evaluation"]
    preferences = build_preferences(recipe=recipe, data=data, sft_evaluation=sft_evaluation).outputs["preferences"]
    dpo = train_dpo(recipe=recipe, sft=sft, preferences=preferences).outputs["dpo"]
    models = export(recipe=recipe, data=data, dpo=dpo).outputs["models"]
    measurements = measure(recipe=recipe, data=data, models=models).outputs["measurements"]
    decision = gate(
        recipe=recipe,
        base_evaluation=base_evaluation,
        sft_evaluation=sft_evaluation,
        measurements=measurements,
    )
    verdict = decision.outputs["verdict"]
    page = report(
        recipe=recipe,
        data=data,
        base_evaluation=base_evaluation,
        sft=sft,
        sft_evaluation=sft_evaluation,
        preferences=preferences,
        dpo=dpo,
        models=models,
        measurements=measurements,
        verdict=verdict,
    ).outputs["report"]
    with dsl.If(decision.outputs["Output"] == "passed", name="passed"):
        register(recipe=recipe, data=data, sft=sft, dpo=dpo, models=models, verdict=verdict, report=page)
