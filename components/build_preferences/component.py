"""Pairs of a right and a wrong answer."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_preferences(
    recipe: str, data: Input[Dataset], sft_evaluation: Input[Artifact], preferences: Output[Artifact]
) -> None:
    """Break gold answers by the recipe's rules, and take the fine-tuned model's own wrong answers on training texts."""
    from pathlib import Path

    from stillroom.track.task import read_recipe, task

    with task("build-preferences", preferences) as out:
        from components.build_preferences.own_answers import own_answers
        from stillroom.data.balance import originals
        from stillroom.data.rows import read_rows
        from stillroom.preferences.judged import judged_pairs
        from stillroom.preferences.pairs import build_preferences
        from stillroom.track.step import run_step

        spec, rows, tuned = read_recipe(recipe), Path(data.path), Path(sft_evaluation.path)

        def build(to: Path) -> None:
            if spec.dpo is not None:
                train = originals(read_rows(rows / "train.jsonl"))
                own = own_answers(spec, train, tuned / "model.gguf")
                judged = judged_pairs(spec, train, own, to) if spec.dpo.judge else None
                build_preferences(spec, train, own, to, judged)

        inputs = {"data": rows, "sft": tuned}
        taught = ("teacher",) if spec.dpo is not None and spec.dpo.judge else ()
        run_step("build-preferences", out, spec, ("instruction", "output_schema", "dpo", *taught), inputs, build)
