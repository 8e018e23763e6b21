"""Preference pairs by a judge: the model's own answer against the label, asked in both orders, ties dropped.

An own answer that differs from the label is not always worse: a summary has many good wordings. So a judge decides. In
a free-text task the better of the two is chosen, whichever it is. Under a schema the label is the contract: where the
judge prefers the model's answer, the row is kept apart for people instead.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.files import write_json, write_jsonl
from stillroom.preferences.pairs import JUDGED, Judgement, Pair, wrong_answers
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import canonical
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.judge import prefer
from stillroom.teacher.session import open_teacher

TIE = "a tie"
LABEL_DOUBTED = "the judge prefers the model's answer to the label"
NO_VERDICT = "no verdict of the judge"


@dataclass
class Judged:
    """The judge's pairs, and the rows that gave none with the reason and both answers."""

    pairs: list[Pair] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    stopped: UserError | None = None

    def note(self) -> str:
        """The report as a sentence."""
        left = ", ".join(f"{count} × {reason}" for reason, count in self._reasons().most_common())
        judged = (
            f"The judge compared {len(self.pairs) + len(self.dropped)} of the model's own answers with their labels"
        )
        return f"{judged}: {len(self.pairs)} pairs{f'; {left}' if left else ''}."

    def report(self) -> dict[str, int]:
        """How many were judged, and what became of those without a pair."""
        return {"judged": len(self.pairs) + len(self.dropped), "pairs": len(self.pairs), **self._reasons()}

    def _reasons(self) -> Counter[str]:
        return Counter(str(item["reason"]).partition(":")[0] for item in self.dropped)


def judged_pairs(recipe: Recipe, rows: Sequence[Row], own_answers: dict[str, str] | None, out: Path) -> Judgement:
    """Ask the recipe's teacher about up to `dpo.judge` own errors.

    What gave no pair goes to `out`/judged.rejected.jsonl, counts and cost to judged.json. Raises UserError where the
    teacher stopped; what it answered is kept.
    """
    assert recipe.dpo is not None and recipe.dpo.judge is not None
    with open_teacher(recipe, "judge") as client:
        found = judge_pairs(client, recipe, rows, own_answers or {}, recipe.dpo.judge)
        if found.stopped is not None:
            raise found.stopped
        write_jsonl(out / "judged.rejected.jsonl", found.dropped)
        write_json(out / "judged.json", {**found.report(), "cost": client.ledger.table()})
    return Judgement(found.pairs, found.note())


def judge_pairs(client: Client, recipe: Recipe, rows: Sequence[Row], own_answers: dict[str, str], limit: int) -> Judged:
    """Pairs of label and own answer for at most `limit` rows that the model answered otherwise than their label."""
    wrong = [row for row in rows if row.label is not None and row.id in wrong_answers(recipe, rows, own_answers)][
        :limit
    ]

    def work(row: Row) -> Pair | dict[str, Any]:
        label, own = canonical(recipe.output_schema, row.label), own_answers[row.id].strip()
        left = {"id": row.id, "text": row.text, "label": label, "answer": own}
        try:
            verdict = prefer(client, recipe, row.text, label, own)
        except NoAnswer as error:
            return {**left, "reason": f"{NO_VERDICT}: {error}"}
        if verdict == "equal":
            return {**left, "reason": TIE}
        if verdict == "second" and recipe.output_schema is not None:
            return {**left, "reason": LABEL_DOUBTED}
        chosen, rejected = (label, own) if verdict == "first" else (own, label)
        return Pair(id=row.id, text=row.text, chosen=chosen, rejected=rejected, rule=JUDGED)

    outcome = client.each(work, wrong, "Judging")
    found = Judged(stopped=outcome.stopped)
    for result in outcome.done():
        (found.pairs if "chosen" in result else found.dropped).append(result)  # type: ignore[arg-type]
    return found
