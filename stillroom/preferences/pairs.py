"""Preference pairs: the gold answer as chosen, a wrong one as rejected."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.evaluate.matching import equal
from stillroom.files import write_json, write_jsonl
from stillroom.preferences.rules import broken_by
from stillroom.recipe.model import Dpo, Recipe, RejectionRule
from stillroom.recipe.schema import canonical, parse_answer

OWN_ERROR = "own_error"
"""The rule's name on pairs whose rejected answer is the model's own."""

JUDGED = "judged"
"""The rule's name on pairs in which a judge found one of the label and the model's own answer to be the better."""

DRAWS = 3
"""How often a rule tries one row again when it comes up with an answer that is already there."""


class Pair(TypedDict):
    """One line of pairs.jsonl; both answers as text."""

    id: str
    text: str
    chosen: str
    rejected: str
    rule: str


@dataclass(frozen=True)
class Judgement:
    """What a judge made of the model's own answers: its pairs, and what became of the others in a sentence."""

    pairs: list[Pair]
    note: str


def build_preferences(
    recipe: Recipe,
    rows: list[Row],
    own_answers: dict[str, str] | None,
    out: Path,
    judged: Judgement | None = None,
) -> dict[str, Any]:
    """Build the recipe's number of pairs from labelled rows and write pairs.jsonl and preferences.json into `out`.

    `own_answers` maps row ids to what the model itself answered, unconstrained; those that are wrong make up to half of
    the pairs (in a free-text task up to all of them). Where a judge has looked at them, its pairs stand in their place.
    The rest is spread evenly over the rules. Returns {"pairs", "by_rule", "own_errors", "asked", "notes"}. Raises
    UserError when not one pair can be built.
    """
    if recipe.dpo is None:
        raise UserError("The recipe has no dpo section, so there are no preferences to build.")
    labelled = [row for row in rows if row.label is not None]
    rng = random.Random(recipe.dpo.seed)
    rules = list(dict.fromkeys(recipe.dpo.rules))
    own_limit = recipe.dpo.pairs // 2 if rules else recipe.dpo.pairs
    if recipe.output_schema is None:
        # Talk around the answer is the one fault that free text can have by rule; what the model itself gets wrong
        # says more, so it comes first, without a limit.
        rules, own_limit = [rule for rule in rules if rule == "prose_around"], recipe.dpo.pairs
    if judged is not None:
        pairs = list(judged.pairs)[:own_limit]
    else:
        pairs = _own_errors(recipe, labelled, own_answers or {}, rng)[:own_limit] if recipe.dpo.own_errors else []
    own_errors = len(pairs)
    pairs += _broken(recipe, labelled, rules, rng, recipe.dpo.pairs - own_errors, {_key(pair) for pair in pairs})
    by_rule = {rule: sum(pair["rule"] == rule for pair in pairs) for rule in rules}
    notes = _notes(recipe.dpo, pairs, own_errors, by_rule, own_answers) + ([judged.note] if judged else [])
    if not pairs:
        raise UserError(
            f"Not one preference pair could be built from {len(labelled)} labelled rows. {' '.join(notes)} "
            "Give dpo.rules that fit the schema, switch dpo.own_errors on, or set dpo to null."
        )
    rng.shuffle(pairs)
    report: dict[str, Any] = {
        "pairs": len(pairs),
        "by_rule": {**by_rule, **({JUDGED: own_errors} if judged else {})},
        "own_errors": own_errors if judged is None else 0,
        "asked": recipe.dpo.pairs,
        "notes": notes,
    }
    write_jsonl(out / "pairs.jsonl", (dict(pair) for pair in pairs))
    write_json(out / "preferences.json", report)
    return report


def wrong_answers(recipe: Recipe, rows: Sequence[Row], own_answers: dict[str, str]) -> dict[str, str]:
    """By id, the own answers that differ from their row's label; an empty one has no tokens to be made unlikely."""
    said = {row.id: own_answers.get(row.id, "").strip() for row in rows}
    return {row.id: said[row.id] for row in rows if said[row.id] and not _right(recipe, row.label, said[row.id])}


def _own_errors(recipe: Recipe, rows: list[Row], own_answers: dict[str, str], rng: random.Random) -> list[Pair]:
    """A pair for each row that the model itself answered wrongly, in random order."""
    wrong = wrong_answers(recipe, rows, own_answers)
    pairs: dict[tuple[str, str], Pair] = {}
    for row in rows:
        if row.id in wrong:
            pair = _pair(recipe, row, wrong[row.id], OWN_ERROR)
            pairs[_key(pair)] = pair
    shuffled = list(pairs.values())
    rng.shuffle(shuffled)
    return shuffled


def _right(recipe: Recipe, gold: Any, said: str) -> bool:
    try:
        value = parse_answer(recipe, said)
    except ValueError:
        return False
    if isinstance(gold, str) and isinstance(value, str):
        return gold.strip() == value.strip()
    return equal(gold, value)


def _broken(
    recipe: Recipe,
    rows: list[Row],
    rules: list[RejectionRule],
    rng: random.Random,
    wanted: int,
    seen: set[tuple[str, str]],
) -> list[Pair]:
    """Let the rules take turns until there are enough pairs or no rule finds another one.

    A rule that fits few rows drops out early and the others go on, so the counts are as equal as the data allows.
    """
    turns = deque(_pairs_of(rule, recipe, rows, rng, seen) for rule in rules)
    pairs: list[Pair] = []
    while turns and len(pairs) < wanted:
        turn = turns.popleft()
        pair = next(turn, None)
        if pair is not None:
            pairs.append(pair)
            turns.append(turn)
    return pairs


def _pairs_of(
    rule: RejectionRule, recipe: Recipe, rows: list[Row], rng: random.Random, seen: set[tuple[str, str]]
) -> Iterator[Pair]:
    """New pairs by one rule: over all rows in random order, then again with other draws, until a round yields none."""
    left = list(rows)
    while left:
        rng.shuffle(left)
        fruitful = []
        for row in left:
            for _ in range(DRAWS):
                rejected = broken_by(rule, row.label, recipe.output_schema, row.text, rng)
                if rejected is None:
                    break
                pair = _pair(recipe, row, rejected, rule)
                if _key(pair) not in seen:
                    seen.add(_key(pair))
                    fruitful.append(row)
                    yield pair
                    break
        left = fruitful


def _pair(recipe: Recipe, row: Row, rejected: str, rule: str) -> Pair:
    chosen = canonical(recipe.output_schema, row.label)
    return Pair(id=row.id, text=row.text, chosen=chosen, rejected=rejected, rule=rule)


def _key(pair: Pair) -> tuple[str, str]:
    return pair["id"], pair["rejected"]


def _notes(
    dpo: Dpo, pairs: list[Pair], own_errors: int, by_rule: dict[RejectionRule, int], own_answers: dict[str, str] | None
) -> list[str]:
    notes = []
    if len(pairs) < dpo.pairs:
        notes.append(f"{dpo.pairs} pairs were asked for, {len(pairs)} could be built.")
    idle = [rule for rule, count in by_rule.items() if not count]
    # The rules take turns: where one had a second turn, one without a pair has had its first.
    if idle and (len(pairs) < dpo.pairs or max(by_rule.values()) > 1):
        notes.append(f"No answer could be broken by {', '.join(idle)}.")
    if dpo.own_errors and own_answers is not None and not own_errors:
        notes.append("The model made no errors of its own on the texts that it was asked about.")
    if dpo.own_errors and own_answers is None:
        notes.append("The model was not asked for its own errors.")
    return notes
