"""Write docs/benchmarks.md and its pictures from what the benchmarks left in benchmarks/results.

python -m benchmarks.report
"""

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmarks.bars import bars
from benchmarks.contest import OURS, is_ours
from benchmarks.data_page import data
from benchmarks.formats import page as formats
from benchmarks.serve_report import parts as serving

RESULTS, DOCS = Path("benchmarks/results"), Path("docs")
TITLES = {
    "train_sft": ("Supervised fine-tuning", "samples"),
    "train_dpo": ("Preference training (DPO)", "pairs"),
}
STYLE = Markup(
    "<style>text{font:12.5px system-ui,sans-serif;fill:#3d3d3a}.head{font-weight:600}.ours{fill:#0f766e}"
    ".peer{fill:#c9c5bb}@media(prefers-color-scheme:dark){text{fill:#e8e6df}.peer{fill:#5c5a55}.ours{fill:#2dd4bf}}</style>"
)


def main() -> None:
    """Write the page; a benchmark without results is left out."""
    parts = [
        "# Benchmarks",
        "This page is written by `python -m benchmarks.report`, of the benchmarks that were run last.",
    ]
    if any((RESULTS / f"{name}.json").exists() for name in TITLES):
        parts.append(
            "Stillroom's training against stock TRL and torchtune's LoRA recipe, on the same rows in the same order: "
            "SmolLM2-135M, LoRA of rank 16 on all linear layers, batches of 16 e-mails (DPO: 8 pairs) behind a prefix "
            "of as many tokens as the first column says. Each contender trains in a process of its own, in turn, "
            "Stillroom first and again last, with nothing else running; its first step is not counted. Where 16 rows "
            "do not fit into memory, peers take a batch in parts whose gradients add up. `unpadded` is TRL's "
            "`padding_free`, `packed` its packing. Contenders that are never the quickest run at some lengths alone. "
            "A DPO loss is a small difference of large sums, which rounding to bf16 moves by some per cent, ours and "
            "theirs alike; `fp32` shows that both learn the same. "
            "`make bench-train` makes these tables."
        )
    for name, (title, unit) in TITLES.items():
        file = RESULTS / f"{name}.json"
        if file.exists():
            found = json.loads(file.read_text())
            picture = DOCS / "images" / f"{name}.svg"
            picture.write_text(_plot(name, title, unit, found["table"]) + "\n")
            parts += [
                f"## {title}",
                _machines(found["machines"]),
                f"![{title}: {unit} a second](images/{name}.svg)",
                _table(unit, found["table"]),
                *(f"{name} was not measured: {reason}." for name, reason in found.get("absent", {}).items()),
            ]
    parts += formats()
    parts += serving(DOCS, STYLE)
    parts += data()
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n")


def _machines(of: dict[str, str]) -> str:
    """Where each length of the prefix was measured; one line where all were at the same commit."""
    lengths = sorted(of, key=int)
    told = {of[one]: [shared for shared in lengths if of[shared] == of[one]] for one in lengths}
    if len(told) == 1:
        return next(iter(told))
    return "\n".join(f"- {', '.join(some)} shared tokens: {machine}" for machine, some in told.items())


def _by_shared(table: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    return {shared: [line for line in table if line["shared"] == shared] for shared in {x["shared"]: 0 for x in table}}


def _table(unit: str, table: list[dict[str, Any]]) -> str:
    lines = [
        f"| Shared tokens | Contender | {unit.capitalize()}/s | Tokens/s | Peak memory | Last loss | Against it |",
        "| ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for shared, group in _by_shared(table).items():
        ours = next(line for line in group if line["contender"] == OURS)
        for line in group:
            faster = ours["samples_per_second"] / line["samples_per_second"]
            memory = ours["peak_mib"] / line["peak_mib"]
            against = "" if is_ours(line["contender"]) else f"{faster:.1f}× as fast, {memory:.2f} of its memory"
            lines.append(
                f"| {shared} | {line['contender']} | {line['samples_per_second']:.2f} "
                f"| {line['tokens_per_second']:.0f} | {line['peak_mib'] / 1024:.1f} GiB "
                f"| {line['last_loss']:.4f} | {against} |"
            )
    return "\n".join(lines)


def _plot(name: str, title: str, unit: str, table: list[dict[str, Any]]) -> str:
    groups = {
        f"{shared} shared tokens, {unit} a second": [(line["contender"], line["samples_per_second"]) for line in group]
        for shared, group in _by_shared(table).items()
    }
    told = f"{unit} a second by contender and length of the shared prefix"
    return bars(name, title, told, groups, STYLE, one_scale=True)


if __name__ == "__main__":
    main()
