"""How far people agree beyond chance: Cohen's kappa for two of them, Fleiss' kappa for all.

Kappa is (observed - expected) / (1 - expected): 0 is what guessing with the same shares gives, 1 is full agreement.
J. Cohen (1960), doi:10.1177/001316446002000104; J. L. Fleiss (1971), doi:10.1037/h0031619.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

_WORDS = ((0.0, "no better than chance"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))


def cohen(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Kappa of two people over the same rows; None where chance alone would agree always, or there are no rows."""
    total = len(first)
    if not total:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / total
    shares, others = Counter(first), Counter(second)
    expected = sum(shares[name] * others[name] for name in shares) / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss(ratings: Sequence[Sequence[str]]) -> float | None:
    """Kappa of several people: for each row the answer of each of them, as many for every row; None as for `cohen`."""
    if not ratings or len(ratings[0]) < 2:
        return None
    people, rows = len(ratings[0]), len(ratings)
    if any(len(row) != people for row in ratings):
        raise ValueError("every row needs as many answers")
    counts = [Counter(row) for row in ratings]
    agreeing = [(sum(n * n for n in row.values()) - people) / (people * (people - 1)) for row in counts]
    observed = sum(agreeing) / rows
    shares = sum(counts, Counter[str]())
    expected = sum((count / (rows * people)) ** 2 for count in shares.values())
    return None if expected == 1 else (observed - expected) / (1 - expected)


def agreement(answers: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What the report and the terminal show of several people: `answers` is person → row's id → answer.

    Pairs are compared on the rows that both answered, all of them on the rows that all answered.
    """
    people = list(answers)
    common = [id for id in answers[people[0]] if all(id in answers[person] for person in people)] if people else []
    pairs = []
    for first, second in combinations(people, 2):
        shared = [id for id in answers[first] if id in answers[second]]
        one, other = ([answers[person][id] for id in shared] for person in (first, second))
        equal = sum(a == b for a, b in zip(one, other, strict=True))
        kappa = cohen(one, other)
        pairs.append({"people": [first, second], "rows": len(shared), "equal": equal, "cohen": kappa})
    rows = [[answers[person][id] for person in people] for id in common]
    return {
        "people": people,
        "rows": len(common),
        "equal": sum(len(set(row)) == 1 for row in rows),
        "fleiss": fleiss(rows) if len(people) > 1 else None,
        "pairs": pairs,
    }


def in_words(kappa: float | None) -> str:
    """What a kappa means, by the usual marks of Landis and Koch (1977); they are a habit, not a law."""
    if kappa is None:
        return "not defined: everybody gave one and the same answer throughout, or no row has two"
    return next((words for bound, words in _WORDS if kappa <= bound), "almost perfect")
