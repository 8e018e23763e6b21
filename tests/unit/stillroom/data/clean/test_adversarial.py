"""Every step of cleaning on input that nobody would write: each row stays, or is dropped with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.clean.chain import Chunk, Cleaned, _Work
from stillroom.data.clean.kept import Kept
from stillroom.data.cleaning import Cleaner
from stillroom.data.pii.mask import Masker
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Pii
from stillroom.recipe.model import Recipe

WORDS = Path(__file__).parents[5] / "LICENSE"
ODD = {
    "empty": "",
    "white space": " \n\t\u3000\u00a0",
    "NUL": "a\0b",
    "one huge line": "word " * 200_000,
    "one huge word": "w" * 1_000_000,
    "digits": "1234567890 " * 20_000,
    "signs": "@" * 5_000 + ":" * 5_000 + "." * 5_000 + "-" * 5_000,
    "brackets": "[(" * 5_000 + "at",
    "new lines": "\n" * 50_000 + "x",
    "emoji alone": "😀👍🏽👨‍👩‍👧‍👦🇩🇪" * 50,
    "right to left": "مرحبا بالعالم، كيف الحال اليوم؟ \u202bשלום\u202c " * 20,
    "mixed scripts": "Ηello Привет 你好 مرحبا नमस्ते สวัสดี " * 20,
    "combining": "e" + "\u0301" * 5_000,
    "half a pair": "The committee meets in the small hall \ud83d to talk about the budget.",
    "both halves": "x \ud83d\ude00 y",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\ufeff\ufffe",
    "private use": "\ue000\uf8ff\U000f0000",
    "deep brackets": "{" * 3_000,
    "looks like an address": "a." * 3_000 + "@" + "b." * 3_000 + "org",
    "looks like an IP": "1." * 5_000 + ":::" * 3_000,
}


def cleaner(**more: Any) -> Cleaner:
    cleaning = {
        "repair": True, "symbols": {}, "repetition": {}, "toxicity": {"lists": [str(WORDS)]}, "languages": ["en"],
        "pii": {"kinds": ["email", "phone", "iban", "card", "id_number", "ip", "name"]}, **more,
    }  # fmt: skip
    data = {"sources": [{"kind": "csv", "path": "a.csv"}], "cleaning": cleaning}
    recipe = Recipe.model_validate({"name": "odd", "instruction": "Sort it.", "data": data})
    return Cleaner(recipe, None, Masker(Pii.model_validate(cleaning["pii"]), b"k" * 32))


def cleaned(*texts: str, **more: Any) -> Cleaned:
    rows = [Row(str(number), text, "a", "csv") for number, text in enumerate(texts)]
    return _Work(cleaner(**more))(Chunk("csv", rows))


def reasons_of(made: Cleaned) -> list[str]:
    return [item.reason for item in made.items if isinstance(item, Rejected)]


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_text_is_kept_or_dropped_with_its_reason(text: str) -> None:
    made = cleaned(text)
    [item] = made.items
    if isinstance(item, Kept):
        assert item.line.endswith(b"\n") and item.line.count(b"\n") == 1 and len(item.keys) % 8 == 0 != len(item.keys)
    else:
        line = json.loads(json.dumps(item.as_dict(), allow_nan=False).encode())
        assert line["reason"] and line["id"] == "0"
        assert set(line.get("numbers", {})) <= {"value", "bound"}


def test_reasons_of_odd_texts() -> None:
    reasons = {name: reasons_of(cleaned(text)) for name, text in ODD.items()}
    assert reasons["empty"] == reasons["white space"] == ["empty text"]
    assert reasons["half a pair"] == []  # repaired to the sign for what is lost
    assert reasons["emoji alone"] == reasons["signs"] == ["more signs than words"]
    assert reasons["one huge line"] == ["the text repeats itself"]
    assert reasons["right to left"] == ["the text repeats itself"]
    assert reasons_of(cleaned(ODD["NUL"], repair=False)) == ["NUL bytes"]
    assert reasons_of(cleaned(ODD["half a pair"], repair=False)) == ["JSON cannot hold it"]


def test_facts_that_json_cannot_hold_drop_the_row() -> None:
    row = Row("1", "The committee meets in the small hall to talk about the budget.", "a", "csv", {"at": {1, 2}})
    [item] = _Work(cleaner())(Chunk("csv", [row])).items
    assert isinstance(item, Rejected) and item.reason == "JSON cannot hold it" and item.detail.startswith("the meta")


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60) | st.sampled_from([text[:400] for text in ODD.values()]), max_size=8))
def test_every_row_has_one_outcome(texts: list[str]) -> None:
    made = cleaned(*texts)
    assert len(made.items) == len(made.pairs) == len(texts)
