"""Scores of free-text answers against references: exact match, ROUGE-L and token F1.

ROUGE-L is Google's `rouge-score`. Its own tokenizer keeps only a-z and 0-9, so it gives every Chinese answer zero and
breaks "Käse" in two; it takes another tokenizer, and gets ours: words of any script, and single characters for the
scripts that put no spaces between words, as is usual for Chinese.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from stillroom.evaluate.bootstrap import Ratio

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts without spaces between words, as a set of the `regex` library. A character takes its marks along."""


def ratios(golds: Sequence[str], texts: Sequence[str]) -> dict[str, Ratio]:
    """Per row, for each metric, what it adds to numerator and denominator; each shape (rows, 2).

    `exact_match` compares the texts without white space at their ends. `rouge_l` and `token_f1` are F-measures of each
    row over tokens, in their order and regardless of it, averaged over rows.
    """
    rows = [_row(gold, text) for gold, text in zip(golds, texts, strict=True)]
    return {
        name: np.array([(row[name], 1.0) for row in rows], dtype=np.float64).reshape(-1, 2)
        for name in ("exact_match", "rouge_l", "token_f1")
    }


def tokens(text: str) -> list[str]:
    """The words of a text, without case and punctuation; single characters in scripts without spaces."""
    import regex

    pattern = rf"(?V1)[{SPACELESS}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--[{SPACELESS}]]+"
    # NFKC makes full-width and composed forms one, as they are to a reader.
    found: list[str] = regex.findall(pattern, unicodedata.normalize("NFKC", text).casefold())
    return found


def token_f1(gold: str, text: str) -> float:
    """F1 of the tokens as a bag: how many are common, whatever their order."""
    expected, found = Counter(tokens(gold)), Counter(tokens(text))
    if not expected or not found:
        return _without_tokens(gold, text)
    return 2 * (expected & found).total() / (expected.total() + found.total())


def rouge_l(gold: str, text: str) -> float:
    """F-measure of the longest common subsequence of tokens."""
    if not tokens(gold) or not tokens(text):
        return _without_tokens(gold, text)
    return float(_scorer().score(gold, text)["rougeL"].fmeasure)


def _row(gold: str, text: str) -> dict[str, float]:
    return {"exact_match": float(_same(gold, text)), "rouge_l": rouge_l(gold, text), "token_f1": token_f1(gold, text)}


def _same(gold: str, text: str) -> bool:
    return gold.strip() == text.strip()


def _without_tokens(gold: str, text: str) -> float:
    """A text of nothing but signs ("👍", "—") has no tokens: it is right or wrong as a whole."""
    return float(_same(gold, text))


class _Tokenizer:
    """Our tokens in the shape that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text)


@lru_cache(maxsize=1)
def _scorer() -> Any:
    # rouge-score brings nltk, which takes a second to import: only free-text tasks pay for it.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Tokenizer())
