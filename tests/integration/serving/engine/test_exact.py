"""Greedy answers are llama.cpp's own, whatever shares their batch, their cells or their guesses."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from serving.engine.engine import Engine
from serving.engine.request import Sampling

SCHEMA = {
    "type": "object",
    "properties": {
        "category": {"enum": ["event", "spam", "other"]},
        "title": {"type": "string", "maxLength": 10},
        "time": {"type": ["string", "null"], "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    },
    "required": ["category", "title", "time"],
    "additionalProperties": False,
}
NEAR_TIE = 0.02
"""Keys and values are kept in 16 bit, so another batch moves a logit a little; a smaller lead than this may flip. A
random model's leads are often that small."""
REQUESTS, MOST = 120, 20


def test_greedy_answers_in_any_batch(engine: Engine, reference: Any, ask: Callable[..., Any]) -> None:
    draw = random.Random(0)
    instructions = ["Read the mail and answer with JSON.\n", "Summarise what is said below in one line.\n", ""]
    words = [
        "meeting",
        "café",
        "会议",
        "14:30",
        "tomorrow",
        "spam",
        "offer",
        "lunch",
        "noon",
        "room",
        "12",
        "cancelled",
    ]
    constraints = [None, engine.compile("json_schema", SCHEMA), engine.compile("regex", "[a-z ]{3,12}\\.")]
    cases = []
    for number in range(REQUESTS):
        text = draw.choice(instructions) + " ".join(draw.choices(words, k=draw.randint(1, 40)))
        constraint = constraints[number % 3]
        # Some others in the batch draw, are cancelled or end early, and must leave no trace.
        if number % 10 == 9:
            ask(text, 40, sampling=Sampling(temperature=1.0)).ticket.cancel()
        cases.append((text, constraint, ask(text, MOST, constraint=constraint)))
    ties = 0
    for text, constraint, asked in cases:
        expected, lead = reference.greedy(engine.tokenize(text), MOST, constraint)
        found = asked.wait().tokens
        if found != expected:
            ties += 1
            assert lead < NEAR_TIE, (text, lead, found, expected)
    print(f"{ties} of {REQUESTS} answers differ, each with a near tie of two logits")
    assert ties <= REQUESTS // 4
    stats = engine.stats()
    assert stats.cached_prompt_tokens > 0 and stats.forced_tokens > 0 and stats.accepted_tokens > 0


def test_guesses_change_nothing(
    engine: Engine, reference: Any, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every guess that is found is computed, whether it pays or not."""
    monkeypatch.setattr("serving.engine.draft.Drafter.worth", lambda self, guesses, cost, answering: len(guesses))
    constraint, accepted = engine.compile("json_schema", SCHEMA), 0
    for number in range(12):
        text = f"spam spam spam lunch at 14:30, {number} lunch at 14:30, "
        asked = ask(text, MOST, constraint=constraint).wait()
        expected, lead = reference.greedy(engine.tokenize(text), MOST, constraint)
        assert asked.tokens == expected or lead < NEAR_TIE
        accepted += asked.end.usage.accepted
    assert accepted > 0
    repeating = ask("Hello", 24, sampling=Sampling(logit_bias={1234: 100})).wait()
    assert repeating.tokens == (1234,) * 24 and repeating.end.usage.accepted > 8
