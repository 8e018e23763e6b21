"""The grammar that constrained decoding follows, and whether a text lies in its language.

The same library (llguidance) and the same options serve the check of a recipe, the check of a label and the
decoder, so the three cannot disagree.
"""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

# No free whitespace: one answer has one text, the schema forces more tokens, and gold texts are in the language.
GRAMMAR_DEFAULTS: dict[str, Any] = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
_END = 256


class _Bytes:
    """A tokenizer whose tokens are the 256 bytes; the grammar of a schema does not depend on a model's own."""

    def __init__(self) -> None:
        self.eos_token_id = _END
        self.bos_token_id = None
        self.tokens = [bytes([byte]) for byte in range(256)] + [b"<end>"]
        self.special_token_ids = [_END]

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


def grammar(schema: dict[str, Any]) -> str:
    """The llguidance grammar of a JSON Schema, as text for `LLMatcher`."""
    from llguidance import LLMatcher

    return LLMatcher.grammar_from_json_schema(schema, overrides=GRAMMAR_DEFAULTS)  # type: ignore[arg-type]


def grammar_error(schema: dict[str, Any]) -> str:
    """Why llguidance cannot enforce the schema, in one line; empty when it can."""
    from llguidance import LLMatcher

    try:
        _, messages = LLMatcher.validate_grammar_with_warnings(grammar(schema), byte_tokenizer())
    except ValueError as error:  # a number that it cannot hold
        messages = [str(error)]
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    return next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), " ".join(lines))


def rejected_at(schema_text: str, text: str) -> int | None:
    """The byte at which `text` leaves the language of a schema (given as JSON text), or None if it is all in it."""
    matcher = _matcher(schema_text).deep_copy()
    tokens = list(text.encode())
    taken = matcher.try_consume_tokens(tokens)
    return None if taken == len(tokens) and matcher.is_accepting() else taken


@lru_cache(maxsize=1)
def byte_tokenizer() -> "LLTokenizer":
    """llguidance over single bytes: enough to judge a grammar, whatever the model."""
    from llguidance import LLTokenizer, TokenizerWrapper

    return LLTokenizer(TokenizerWrapper(_Bytes()))


@lru_cache(maxsize=32)
def _matcher(schema_text: str) -> "LLMatcher":
    from llguidance import LLMatcher

    matcher = LLMatcher(byte_tokenizer(), grammar(json.loads(schema_text)), log_level=0)
    if matcher.is_error():
        raise ValueError(f"constrained decoding cannot enforce this schema: {matcher.get_error()}")
    return matcher
