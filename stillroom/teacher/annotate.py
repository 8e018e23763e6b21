"""Labels by votes: each text is labelled several times, each time asked in another way.

The share of equal votes is how sure a label is. A teacher at temperature 0 gives the same answer to the same words, so
the order of instruction and text changes from vote to vote too. Labels with little agreement go to people.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.evaluate.text_metrics import token_f1
from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import system_message
from stillroom.recipe.schema import canonical, class_fields, fields
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.structured import Trust, ask_json, ask_text

NO_LABEL = "the teacher gave no valid label"
PURPOSE = "annotate"


@dataclass
class Annotated:
    """Labelled texts, those whose label a person should see, and those without one; each in the order of the texts.

    The meta of a row holds `agreement` (the share of the votes that its label has), `votes` (each label with its
    number) and, where the labels have fields, `disagreed` (the fields in which the votes differ).
    """

    labelled: list[Row] = field(default_factory=list)
    review: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    left: int = 0
    stopped: UserError | None = None


def annotate(client: Client, recipe: Recipe, rows: Sequence[Row]) -> Annotated:
    """Label the rows under the recipe's schema. Those that it stops before are counted in `left`."""
    trust = Trust("texts")

    def work(row: Row) -> Row | Rejected:
        labelled = label_row(client, recipe, row)
        if isinstance(labelled, Row):
            trust.gained()
        else:
            trust.failed(labelled.detail)
        return labelled

    outcome = client.each(work, rows, "Labelling")
    found = Annotated(left=outcome.results.count(None), stopped=outcome.stopped)
    for result in outcome.done():
        if isinstance(result, Rejected):
            found.rejected.append(result)
        elif result.meta["agreement"] < client.teacher.min_agreement:
            found.review.append(result)
        else:
            found.labelled.append(result)
    if rows and trust.bad and not trust.good and found.stopped is None:
        found.stopped = trust.error()
    return found


def label_row(client: Client, recipe: Recipe, row: Row) -> Row | Rejected:
    """One row with the label that most votes gave it, or the reason why it has none."""
    votes: list[Any] = []
    reason = ""
    for vote in range(client.teacher.votes):
        try:
            votes.append(_vote(client, recipe, row.text, vote))
        except NoAnswer as error:
            reason = str(error)
    if not votes:
        return Rejected(row, NO_LABEL, reason)
    label, meta = _counted(votes, client.teacher.votes, recipe.output_schema)
    return Row(row.id, row.text, label, row.source, {**row.meta, **meta})


def _vote(client: Client, recipe: Recipe, text: str, vote: int) -> Any:
    frames = _frames(recipe, text)
    messages, sample = frames[vote % len(frames)], vote // len(frames)
    temperature = 0.0 if client.teacher.votes == 1 else None
    if recipe.output_schema is None:
        return ask_text(client, PURPOSE, messages, temperature=temperature, sample=sample)
    return ask_json(client, PURPOSE, messages, recipe.output_schema, temperature=temperature, sample=sample)


def _frames(recipe: Recipe, text: str) -> list[list[tuple[str, str]]]:
    """The same question in three orders."""
    told = system_message(recipe)
    return [
        [("system", told), ("user", text)],
        [("user", f"{told}\n\nThe text:\n\n{text}\n\nThe answer:")],
        [("user", f"Here is a text.\n\n{text}\n\nNow do this with it.\n{told}")],
    ]


def _counted(votes: list[Any], asked: int, schema: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
    """The label of most votes and what the votes say about it; a vote that never came agrees with nothing."""
    if schema is None:
        return _nearest(votes, asked)
    texts = [canonical(schema, vote) for vote in votes]
    counts = Counter(texts)
    best, count = counts.most_common(1)[0]
    shown = [{"label": votes[texts.index(text)], "count": number} for text, number in counts.most_common()]
    meta: dict[str, Any] = {"agreement": round(count / asked, 4), "votes": shown}
    if len(counts) > 1 and all(isinstance(vote, dict) for vote in votes):
        names = [info.path[0] for info in fields(schema)]
        meta["disagreed"] = [name for name in names if len({repr(vote.get(name)) for vote in votes}) > 1]
    return votes[texts.index(best)], meta


def _nearest(votes: list[str], asked: int) -> tuple[str, dict[str, Any]]:
    """Of free texts, which are hardly ever equal, the one that is most like the others; the agreement is how like."""
    likeness = [sum(token_f1(vote, other) for other in votes) / asked for vote in votes]
    best = max(range(len(votes)), key=lambda number: likeness[number])
    shown = [{"label": vote, "count": count} for vote, count in Counter(votes).most_common()]
    return votes[best], {"agreement": round(likeness[best], 4), "votes": shown}


def agreement_report(found: Annotated, recipe: Recipe) -> dict[str, Any]:
    """Counts for the report: rows, agreement and, where the labels are classes, the rows of each class."""
    rows = [*found.labelled, *found.review]
    classes = class_fields(recipe.output_schema) if recipe.output_schema else {}
    agreements = [row.meta["agreement"] for row in rows]
    return {
        "labelled": len(found.labelled),
        "for_people": len(found.review),
        "rejected": len(found.rejected),
        "left": found.left,
        "mean_agreement": round(sum(agreements) / len(agreements), 4) if agreements else None,
        "agreements": {str(key): count for key, count in sorted(Counter(agreements).items())},
        "classes": {
            name: dict(Counter(str(row.label.get(name)) for row in rows if isinstance(row.label, dict)))
            for name in classes
        },
    }
