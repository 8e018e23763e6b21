"""New texts for a task from a few seeds: some written in the manner of the seeds, some made harder step by step.

Self-instruct shows the teacher a few seeds and asks for another one. Evol-instruct takes one text and changes it in one
way. A text that is like another, and an evolution that failed, are left out with their reasons; what is new is labelled
by votes.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.teacher.annotate import label_row
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.novelty import MeaningPool, Pool, likeness
from stillroom.teacher.structured import Trust, ask_text

Operation = Literal["deepen", "broaden", "constrain", "concretise"]
SELF_INSTRUCT = "self-instruct"
SOURCE = "instruct"
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
Novelty = Literal["rouge-l", "embedding"]
MOST_ALIKE: dict[Novelty, float] = {"rouge-l": 0.7, "embedding": 0.85}
"""Likeness from which a text is not new, by each measure."""
SHOWN = 3
"""Seeds that the teacher sees at once: enough to show the manner, few enough to leave room for something else."""
UNCHANGED = 0.95
"""Likeness to its parent from which an evolution has changed nothing."""
MOST_ROUNDS = 4
"""A text that was not new is asked for again so often, as another one."""

# Why something is left out; the report counts by them.
NOT_WRITTEN = "the teacher wrote no usable text"
NOT_NEW = "too like another text"
NOT_CHANGED = "the evolution changed nothing"
LEAKED = "the text speaks of its own making"
REFUSED = "the teacher refused"
OUT_OF_BOUNDS = "the length is out of bounds"
NOT_LABELLED = "the teacher gave no valid label"

_OPERATIONS: dict[Operation, str] = {
    "deepen": "harder: whoever does the task must weigh more, or draw a conclusion that needs two steps",
    "broaden": "another one of the same kind and length, on a rarer subject that the task still covers",
    "constrain": "stricter: add one or two facts or conditions that bear on what the right answer is",
    "concretise": "more concrete: put names, numbers, dates and places where it speaks in general",
}
_VARIETY = (
    "Let its subject differ from theirs.",
    "Let its tone and its length differ from theirs.",
    "Let it be one whose right answer differs from theirs.",
    "Let it be a difficult case, on which people may err.",
)
_LEAK = re.compile(
    r"\b(rewritten|re-written|evolved|given (text|prompt)|new (text|version)|the task says|instruction:|as requested)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(as an ai|as a language model|i can(no|')t (help|assist|do)|i'm sorry|i am sorry, but)", re.IGNORECASE
)


@dataclass
class Instructed:
    """New labelled texts, those that people should see, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    review: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    stopped: UserError | None = None


@dataclass(frozen=True)
class Wish:
    """A text that is wanted: what the teacher is told, and the row that it descends from (None for a new one)."""

    id: str
    told: str
    way: str
    parent: Row | None
    sample: int


def instruct(
    client: Client,
    recipe: Recipe,
    seeds: Sequence[Row],
    new: int,
    evolved: int,
    operations: Sequence[Operation] = OPERATIONS,
    most_alike: float | None = None,
    novelty: Novelty = "rouge-l",
) -> Instructed:
    """Write `new` texts in the manner of the seeds, none as like another as `most_alike`, and evolve `evolved` ones.

    Without `most_alike` it is what MOST_ALIKE says for the measure. Evolutions are like their parents in meaning, so
    they are always measured by their words.

    The meta of a row holds `way` (self-instruct or the operation), `parent`, `likeness` and its votes.
    """
    found = Instructed()
    texts = [seed.text for seed in seeds]
    pool, trust = Pool(texts), Trust("texts")
    measure = MeaningPool(texts) if novelty == "embedding" else pool
    limit = MOST_ALIKE[novelty] if most_alike is None else most_alike

    def another(number: int, turn: int) -> Wish:
        return _another(recipe, seeds, number, turn)

    fresh = _rounds(client, recipe, new, another, measure, limit, trust, found)
    if measure is not pool:
        for row in fresh:
            pool.add(row.text)
    parents = [*seeds, *fresh]
    random.Random(recipe.data.seed).shuffle(parents)

    def evolution(number: int, turn: int) -> Wish:
        return _evolution(
            recipe, parents[(number + turn) % len(parents)], operations[number % len(operations)], number, turn
        )

    if found.stopped is None:
        fresh += _rounds(client, recipe, evolved, evolution, pool, limit, trust, found)
    if found.stopped is None:
        _label(client, recipe, fresh, found)
    if trust.bad and not trust.good and found.stopped is None:
        found.stopped = trust.error()
    return found


def report(found: Instructed) -> dict[str, Any]:
    """Counts by way and by reason, and how like the texts are to their nearest neighbours."""
    rows = [*found.rows, *found.review]
    near = sorted(row.meta["likeness"] for row in rows)
    return {
        "rows": len(found.rows),
        "for_people": len(found.review),
        "ways": dict(Counter(row.meta["way"] for row in rows)),
        "dropped": dict(Counter(item.reason for item in found.rejected).most_common()),
        "dropped_by_way": dict(Counter(f"{item.row.meta['way']}: {item.reason}" for item in found.rejected)),
        "median_likeness": near[len(near) // 2] if near else None,
    }


def _rounds(
    client: Client,
    recipe: Recipe,
    wanted: int,
    wish: Callable[[int, int], Wish],
    pool: Pool,
    most_alike: float,
    trust: Trust,
    found: Instructed,
) -> list[Row]:
    """Texts for `wanted` wishes; one that was not new is wished for again in the next round, otherwise."""

    def write(one: Wish) -> tuple[str, str]:
        """The text, or an empty one and the reason."""
        try:
            text = ask_text(client, one.way, [("user", one.told)], sample=one.sample)
        except NoAnswer as error:
            trust.failed(str(error))
            return "", str(error)
        trust.gained()
        return text, ""

    rows: list[Row] = []
    missing = list(range(wanted))
    for turn in range(MOST_ROUNDS):
        wishes = [wish(number, turn) for number in missing]
        outcome = client.each(write, wishes, "Writing")
        for number, one, written in zip(list(missing), wishes, outcome.results, strict=True):
            if written is None:
                continue
            # One after the other and in order, so that the same answers always give the same texts.
            row = _judged(recipe, one, *written, pool, most_alike)
            if isinstance(row, Rejected):
                found.rejected.append(row)
            else:
                rows.append(row)
                pool.add(row.text)
                missing.remove(number)
        if outcome.stopped is not None or not missing:
            found.stopped = outcome.stopped
            break
    return rows


def _another(recipe: Recipe, seeds: Sequence[Row], number: int, turn: int) -> Wish:
    rng = random.Random(f"{recipe.data.seed}/{number}/{turn}")
    shown = rng.sample(list(seeds), min(SHOWN, len(seeds)))
    examples = "\n\n".join(f"Example {place}:\n{seed.text}" for place, seed in enumerate(shown, 1))
    told = (
        f"There is a task:\n{recipe.instruction.strip()}\n\nThese are texts that it is done with.\n\n{examples}\n\n"
        f"Write one more text of this kind. {_VARIETY[number % len(_VARIETY)]} Write the text alone, not the answer."
    )
    return Wish(f"{SELF_INSTRUCT}-{number + 1}", told, SELF_INSTRUCT, None, turn)


def _evolution(recipe: Recipe, parent: Row, operation: Operation, number: int, turn: int) -> Wish:
    told = (
        f"There is a task:\n{recipe.instruction.strip()}\n\nThis is a text that it is done with:\n\n{parent.text}\n\n"
        f"Make it {_OPERATIONS[operation]}. Keep its kind and its language, and let it grow by a third at most. Write "
        "the text alone, not the answer."
    )
    return Wish(f"{operation}-{number + 1}", told, operation, parent, turn)


def _judged(recipe: Recipe, wish: Wish, text: str, fault: str, pool: Pool, most_alike: float) -> Row | Rejected:
    """The text as a row, or why it is left out."""
    meta: dict[str, Any] = {"way": wish.way, "parent": wish.parent.id if wish.parent else None}
    row = Row(wish.id, text, None, SOURCE, meta)
    if not text:
        return Rejected(row, NOT_WRITTEN, fault)
    if _REFUSAL.search(text[:200]):
        return Rejected(row, REFUSED)
    if leak := _LEAK.search(text):
        return Rejected(row, LEAKED, leak.group())
    least, most = recipe.data.cleaning.min_characters, recipe.data.cleaning.max_characters
    if wish.parent is not None:
        most = min(most, 3 * len(wish.parent.text) + 200)
    if not least <= len(text) <= most:
        return Rejected(row, OUT_OF_BOUNDS, f"{len(text)} characters, not {least} to {most}")
    if wish.parent is not None and likeness(text, wish.parent.text) >= UNCHANGED:
        return Rejected(row, NOT_CHANGED, wish.parent.id)
    # An evolution is like its parent by its nature; it must only not be another text over again.
    limit = UNCHANGED if wish.parent is not None else most_alike
    near, neighbour = pool.nearest(text)
    if near >= limit:
        return Rejected(row, NOT_NEW, f"{near:.2f} like: {neighbour[:80]}")
    return replace(row, meta={**meta, "likeness": round(near, 4)})


def _label(client: Client, recipe: Recipe, rows: Sequence[Row], found: Instructed) -> None:
    outcome = client.each(lambda row: label_row(client, recipe, row), rows, "Labelling")
    found.stopped = outcome.stopped
    for result in outcome.done():
        if isinstance(result, Rejected):
            found.rejected.append(Rejected(result.row, NOT_LABELLED, result.detail))
        elif result.meta["agreement"] < client.teacher.min_agreement:
            found.review.append(result)
        else:
            found.rows.append(result)
