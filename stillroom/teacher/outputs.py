"""The files that a teacher's work leaves: what is good, what people should see, what was left out and why, the cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row, write_rows
from stillroom.errors import UserError
from stillroom.files import write_json, write_jsonl
from stillroom.teacher.budget import Ledger


def beside(out: Path, part: str) -> Path:
    """`labelled.jsonl` → `labelled.review.jsonl`: the place of a part of the output."""
    return out.with_name(f"{out.stem}.{part}{out.suffix if part != 'report' else '.json'}")


def refuse_place(out: Path) -> None:
    """Raise UserError where `out` cannot be the output, before anything is asked and paid for."""
    if out.suffix != ".jsonl":
        raise UserError(f"--out {out}: what is written is JSON Lines, so name it {out.with_suffix('.jsonl').name}.")
    if out.exists() and not beside(out, "rejected").exists():
        raise UserError(
            f"{out} is there already, and no earlier run of this command wrote it, so it stays as it is. Name another "
            "file with --out."
        )


def write_outputs(
    out: Path,
    rows: Sequence[Row],
    rejected: Sequence[Rejected],
    report: dict[str, Any],
    ledger: Ledger,
    review: Sequence[Row] | None = None,
) -> None:
    """Write the rows, those for people (where the task has any), those left out with their reasons, and the report.

    `refuse_place` has looked at `out` before the work began.
    """
    # First, so that after a kill `out` is known as ours.
    write_jsonl(beside(out, "rejected"), (item.as_dict() for item in rejected))
    write_rows(out, rows)
    if review is not None:
        write_rows(beside(out, "review"), review)
    write_json(beside(out, "report"), {**report, "cost": ledger.table()})


def cost_lines(ledger: Ledger) -> list[str]:
    """The cost table as text."""
    table = ledger.table()
    head = {"purpose": "cost", "model": "model", "paid": "asked", "cached": "cached", "lost": "lost"}
    head |= {"prompt_tokens": "prompt", "completion_tokens": "answer", "money": "price"}
    rows: list[dict[str, Any]] = [head, *table]
    names = [name for name in head if name != "lost" or any(row["lost"] for row in table)]
    widths = {name: max(len(_cell(row[name])) for row in rows) for name in names}
    lines = []
    for row in rows:
        cells = [
            _cell(row[name]).ljust(widths[name])
            if name in ("purpose", "model")
            else _cell(row[name]).rjust(widths[name])
            for name in names
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
