"""What training through a format's rounding is worth: the demo's task, trained with and without, in every GGUF format.

    python -m benchmarks.formats             # about 45 minutes on two cores with nothing else running
    python -m benchmarks.formats --folder F  # what an interrupted call left there is not done again

Both variants see the same rows in the same order and take as many steps; they are one training up to the step at which
the second begins to go through the rounding of Q4_0. All files answer test mails that neither has seen. The last line
is the summary; the exit status is 1 unless the Q4_0 file of the one is shown to lose no more than 2.5 points of exact
match to its 16-bit file (95 % interval, paired), and that of the other is shown to lose more.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe

FORMATS = ("F16", "Q8_0", "Q4_K_M", "Q4_0")
JUDGED = ("F16", "Q4_0")
"""The formats that the goal is about, which answer all test mails."""
VARIANTS = {"plain": None, "aware": "Q4_0"}
MAX_LOSS = 2.5
RECIPE = Path("recipes/email-events.yaml")
RESULT = Path("benchmarks/results/formats.json")
SHARE = 0.5
BATCH = 8


def main() -> int:
    """Run what is not done yet, print the table and say whether the goal holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".cache/stillroom/bench-formats"))
    parser.add_argument("--train", type=int, default=1520, help="training mails, a multiple of 80")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--test", type=int, default=640, help="test mails of F16 and Q4_0")
    parser.add_argument("--fewer", type=int, default=200, help="test mails of the other formats")
    options = parser.parse_args()
    print(describe(), flush=True)
    folder = options.folder
    settings = {"train": options.train, "epochs": options.epochs}
    if not (folder / "settings.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "settings.json", settings)
    elif read_json(folder / "settings.json") != settings:
        raise SystemExit(f"{folder} holds another experiment ({read_json(folder / 'settings.json')}); remove it.")
    make_data(folder / "data", options.train, options.test)
    for variant in VARIANTS:
        train(variant, folder, options.train, options.epochs)
        make_files(variant, folder)
    # What the goal is about first, so that an interrupted call has it.
    order = [(variant, format) for format in (*JUDGED, *FORMATS) for variant in VARIANTS]
    lines = {
        (variant, format): measure(variant, format, folder, options.test if format in JUDGED else options.fewer)
        for variant, format in dict.fromkeys(order)
    }
    table = [lines[variant, format] for variant in VARIANTS for format in FORMATS]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"machine": describe(), "settings": settings, "table": table}, indent=1))
    print("\n".join(markdown(table)))
    text, missed = summary(table)
    print(text)
    return int(missed)


def recipe_of(variant: str, epochs: int = 2) -> Recipe:
    """The demo's recipe in its full profile, trained with or without the rounding."""
    from stillroom.recipe.load import load_recipe

    document = load_recipe(RECIPE, "full").model_dump(mode="json")
    document["sft"] |= {"epochs": epochs, "batch_size": BATCH}
    document["train"] |= {"quantization_aware": VARIANTS[variant], "quantization_aware_share": SHARE}
    document["export"]["formats"] = list(FORMATS)
    return Recipe.model_validate(document)


def make_data(folder: Path, train: int, test: int) -> None:
    """The demo's kinds of mail, generated and real in its proportion, cleaned and split by its own step."""
    from stillroom.data.prepare import prepare
    from stillroom.data.rows import read_rows, write_rows

    if (folder / "data_report.json").exists():
        return
    document = recipe_of("plain").model_dump(mode="json")
    wanted = int(1.08 * (train + test))  # some are dropped
    for source, share in zip(document["data"]["sources"], (0.77, 0.23), strict=True):
        source["sample"] = int(wanted * share)
    part = round(test / (train + test), 3)
    document["data"]["split"] = {"train": round(0.99 - part, 3), "validation": 0.01, "test": part}
    prepare(Recipe.model_validate(document), RECIPE.parent, folder)
    for name, count in (("train", train), ("test", test)):
        rows = read_rows(folder / f"{name}.jsonl")
        if len(rows) < count:
            raise SystemExit(f"Only {len(rows)} mails are left for {name}, {count} were asked for.")
        write_rows(folder / f"{name}.jsonl", rows[:count])


def train(variant: str, folder: Path, rows: int, epochs: int) -> None:
    """Train one variant; the aware one goes on from where the plain one was when the rounding begins."""
    from stillroom.data.rows import read_rows
    from stillroom.models.base import resolve_base_model
    from stillroom.train import callbacks, setup
    from stillroom.train.identity import FILE
    from stillroom.train.sft import train_sft

    out, beginning = folder / variant, folder / "beginning"
    if (out / setup.FACTS).exists():
        return
    recipe, switch = recipe_of(variant, epochs), round(rows // BATCH * epochs * (1 - SHARE))
    plain = callbacks.Watch

    class Keeping(plain):  # type: ignore[misc, valid-type]
        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            super().on_save(args, state, control, **others)
            if state.global_step == switch and not beginning.exists():
                shutil.copytree(out / setup.CHECKPOINTS / f"checkpoint-{switch}", beginning)

    if VARIANTS[variant] is None:
        callbacks.Watch = Keeping  # type: ignore[misc]
    elif beginning.exists() and not (out / setup.CHECKPOINTS).exists():
        here = out / setup.CHECKPOINTS / f"checkpoint-{switch}"
        shutil.copytree(beginning, here)
        keys = {f"train.{name}": value for name, value in recipe.train.model_dump(mode="json").items()}
        of = read_json(here / FILE)
        write_json(here / FILE, {name: keys.get(name, value) for name, value in of.items()})
    try:
        train_sft(
            recipe, resolve_base_model(recipe.base_model), read_rows(folder / "data" / "train.jsonl")[:rows], [], out
        )
    finally:
        callbacks.Watch = plain  # type: ignore[misc]


def make_files(variant: str, folder: Path) -> None:
    """Every format of one variant, as the export makes them: plainly rounded ones with an importance matrix."""
    from components.export.render import renderer
    from stillroom.data.rows import read_rows
    from stillroom.export.export import export
    from stillroom.models.base import resolve_base_model

    if (folder / variant / "files" / "export.json").exists():
        return
    recipe = recipe_of(variant)
    base = resolve_base_model(recipe.base_model)
    rows = read_rows(folder / "data" / "train.jsonl")[:400]
    export(recipe, base, folder / variant / "adapter", rows, renderer(recipe, base), folder / variant / "files")


def measure(variant: str, format: str, folder: Path, count: int) -> dict[str, Any]:
    """One line of the table: the file's answers to the first `count` test mails, held against its 16-bit file's."""
    from components.measure.formats import speed
    from serving.engine.specialist import Specialist
    from stillroom.data.rows import read_rows
    from stillroom.evaluate.bootstrap import scaled
    from stillroom.evaluate.compare import loss, read_answers
    from stillroom.evaluate.score import evaluate

    recipe, out = recipe_of(variant), folder / variant / f"{format}-{count}"
    files = {entry["format"]: entry for entry in read_json(folder / variant / "files" / "export.json")["formats"]}
    file = folder / variant / "files" / files[format]["file"]
    rows = read_rows(folder / "data" / "test.jsonl")[:count]
    if not (out / "evaluation.json").exists():
        with closing(Specialist(file, recipe)) as specialist:
            evaluate(recipe, rows, specialist, format, out)
        print(f"{variant} {format}: {count} mails", flush=True)
    if not (out / "speed.json").exists():
        write_json(out / "speed.json", speed(file))
    ids = {row.id for row in rows}
    reference = [answer for answer in read_answers(_answers(folder / variant, "F16", count)) if answer["id"] in ids]
    scores = read_json(out / "evaluation.json")["groups"]["all"]
    return {
        "variant": variant,
        "format": format,
        "mails": count,
        "exact_match": scaled(scores["constrained"]["exact_match"], 100),
        "valid": scaled(scores["unconstrained"]["schema_valid"], 100),
        "loss_points": scaled(loss(reference, read_answers(out), recipe), 100),
        "bytes": files[format]["bytes"],
        **read_json(out / "speed.json"),
    }


def _answers(folder: Path, format: str, count: int) -> Path:
    """The folder of a format's answers to at least `count` mails."""
    return min(
        (found for found in folder.glob(f"{format}-*") if int(found.name.rpartition("-")[2]) >= count),
        key=lambda found: int(found.name.rpartition("-")[2]),
    )


def markdown(table: Sequence[dict[str, Any]]) -> list[str]:
    """The table as Markdown."""

    def interval(of: dict[str, float]) -> str:
        return f"{of['value']:.1f} ({of['low']:.1f} to {of['high']:.1f})"

    lines = [
        "| Format | Trained | Mails | Exact match, % | Loss to its F16, points | Valid, free, % "
        "| Tokens/s, prompt / answer | Size |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for format in FORMATS:
        for line in (line for line in table if line["format"] == format):
            how = "through Q4_0" if line["variant"] == "aware" else "plain"
            speed = f"{line['prompt_tokens_per_second']:.0f} / {line['decode_tokens_per_second']:.0f}"
            lost = "" if format == "F16" else interval(line["loss_points"])
            lines.append(
                f"| {format} | {how} | {line['mails']} | {interval(line['exact_match'])} | {lost} "
                f"| {interval(line['valid'])} | {speed} | {line['bytes'] / 1e6:.0f} MB |"
            )
    return lines


def page() -> list[str]:
    """The benchmark's part of docs/benchmarks.md, as paragraphs; none before it has run."""
    if not RESULT.exists():
        return []
    found = json.loads(RESULT.read_text())
    told = (
        f"The demo's task, {found['settings']['train']} mails and {found['settings']['epochs']} epochs of SFT, trained "
        "plainly, and with the second half of the steps through the rounding of Q4_0; same rows, same order, as many "
        "steps. Losses are paired, with 95 % intervals. Rows of fewer mails are held against F16 on the same ones. "
        "`python -m benchmarks.formats` makes this table."
    )
    return ["## Trained for the format that serves", told, found["machine"], "\n".join(markdown(found["table"]))]


def summary(table: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """One line on the goal, and whether it is missed."""
    lost = {line["variant"]: line["loss_points"] for line in table if line["format"] == "Q4_0"}
    missed = lost["aware"]["high"] > MAX_LOSS or lost["plain"]["low"] <= MAX_LOSS
    told = "; ".join(
        f"{variant} Q4_0 loses {of['value']:.1f} points to its F16 ({of['low']:.1f} to {of['high']:.1f})"
        for variant, of in lost.items()
    )
    return f"{'MISSED' if missed else 'MET'} {told}; goal: at most {MAX_LOSS:g}, which plain rounding exceeds", missed


if __name__ == "__main__":
    sys.exit(main())
