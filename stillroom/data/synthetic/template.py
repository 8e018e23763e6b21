"""A tiny sentence grammar, so that one line of wording stands for many sentences.

`<a|b|c>` is a free choice, `[I am|We are]` follows the sender (a person or a body), `{slot}` is filled last, so that
what is filled in is never read as grammar.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

_CHOICE = re.compile(r"<([^<>]*)>")
_NUMBER = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")


def fill(random: Random, template: str, slots: Mapping[str, str], plural: bool = False) -> str:
    """Make one sentence of a template. A slot that is not given is an error in the wording and raises KeyError."""
    template = _NUMBER.sub(lambda match: match[2] if plural else match[1], template)
    while "<" in template:  # innermost first, so that choices may nest
        template = _CHOICE.sub(lambda match: random.choice(match[1].split("|")), template)
    return template.format_map(slots)


def pick(random: Random, weighted: Mapping[Item, float] | Sequence[tuple[Item, float]]) -> Item:
    """Choose one item by weight."""
    pairs = list(weighted.items()) if isinstance(weighted, Mapping) else list(weighted)
    return random.choices([item for item, _ in pairs], [weight for _, weight in pairs])[0]


def words(text: str) -> tuple[str, ...]:
    """A list of words as a tuple: parted by bars where there are any, else by spaces."""
    return tuple(text.split("|") if "|" in text else text.split())


def capital(text: str) -> str:
    """Upper-case the first letter and leave the rest alone."""
    return text[:1].upper() + text[1:]
