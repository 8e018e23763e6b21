"""A grammar that asks more of its parser than it does: refused at once where that shows at once, else told as that."""

import pytest

pytest.importorskip("llguidance", reason="the extra `serve` is not installed")

from llguidance import LLParserLimits

from serving.engine.constraint import Constraint
from stillroom.recipe.grammar import byte_tokenizer, grammar

MANY = {"type": "array", "items": {"const": 1}, "minItems": 10_000}


def compiled(schema: object) -> Constraint:
    limits = LLParserLimits(step_max_items=200, verbose_errors=False)
    return Constraint(byte_tokenizer(), grammar(schema), 257, limits)  # type: ignore[arg-type]


def test_what_is_forced_at_once_is_tried_at_once() -> None:
    with pytest.raises(ValueError, match="Too many items"):
        compiled(MANY)
    assert compiled({"const": "x" * 300}).start().forced() == list(b'"' + b"x" * 300 + b'"')


def test_what_is_forced_later_says_why_it_ends() -> None:
    match = compiled({"anyOf": [MANY, {"type": "string"}]}).start()
    assert match.try_take(ord("["))
    assert match.forced(60) == []
    assert "Too many items" in match.failure
