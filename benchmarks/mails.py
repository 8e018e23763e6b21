"""The rows that trainings are compared on: generated e-mails behind a prefix of a given number of tokens."""

import json
import random
from typing import Any


def mails(tokenizer: Any, shared: int, count: int) -> list[tuple[list[int], list[int]]]:
    """Token ids of `count` prompts and their answers; all prompts begin with the same `shared` tokens, and no more."""
    from stillroom.data.synthetic import generate

    tell = "Read the e-mail and answer with JSON that follows the schema. "
    prefix = tokenizer(tell * (1 + shared // 8), add_special_tokens=False)["input_ids"][:shared]
    draw, made = random.Random(0), []
    for row in generate(count, 3, {"en": 1}):
        # Mails begin alike ("From: "): without a prefix, a token of its own keeps even that apart.
        first = [] if shared else [draw.randrange(1000, 40000)]
        own = tokenizer(row.text + "\n\n", add_special_tokens=False)["input_ids"]
        answer = tokenizer(json.dumps(row.label, ensure_ascii=False), add_special_tokens=False)["input_ids"]
        made.append((prefix + first + own, answer))
    return made
