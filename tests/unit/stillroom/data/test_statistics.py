import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.rows import Row, write_rows
from stillroom.data.statistics import in_tokens, statistics, token_counter
from stillroom.data.versions import DataSet, open_data
from stillroom.recipe.model import Recipe

SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"]}
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def data(folder: Path, texts: list[str]) -> DataSet:
    write_rows(folder / "train.jsonl", [Row(f"r{n}", t, {"kind": "ab"[n % 2]}, "x") for n, t in enumerate(texts)])
    return DataSet(folder, open_data(folder).files, {"output_schema": SCHEMA})


def varied(count: int) -> list[str]:
    return [" ".join(f"{NUMBERS[(n + k) % 12]}{n * k}" for k in range(1, 9)) for n in range(count)]


def test_lengths_in_words_where_no_model_is_named(tmp_path: Path) -> None:
    lengths = statistics(data(tmp_path, ["one two three"] * 9 + ["word " * 50]), None)["lengths"]
    assert (lengths["unit"], lengths["shortest"], lengths["median"], lengths["longest"]) == ("words", 3, 3, 50)
    assert sum(lengths["bins"]) == 10 and lengths["bins"][0] == 0 and lengths["bins"][-1] == 1
    assert lengths["limits"] == {}


def test_a_model_that_is_not_here_is_no_error() -> None:
    count, unit = token_counter("nobody/has-this-model")
    assert unit == "words" and count(["three words here"]) == [3]


def test_words_give_way_to_tokens_once_the_tokenizer_is_here(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    (tmp_path / "model").mkdir()
    sources = [{"kind": "csv", "path": "a.csv"}]
    recipe = Recipe.model_validate(
        {"name": "a", "instruction": "b", "base_model": str(tmp_path / "model"), "data": {"sources": sources}}
    )
    opened = data(tmp_path / "data", ["one two three"] * 10)
    found = statistics(opened, recipe)
    assert found["lengths"]["unit"] == "words" and in_tokens(found, opened, recipe) == found
    tokenizer = Tokenizer(WordLevel({"?": 0}, "?"))
    tokenizer.pre_tokenizer = Split("", "isolated")  # each letter is a token
    tokenizer.save(str(tmp_path / "model/tokenizer.json"))
    lengths = in_tokens(found, opened, recipe)["lengths"]
    assert (lengths["unit"], lengths["median"]) == ("tokens", 13) and lengths["limits"]["training"] > 0
    assert in_tokens(found, opened, None) == found


def test_copies_have_no_variety(tmp_path: Path) -> None:
    same = statistics(data(tmp_path / "same", ["the very same words again"] * 40), None)
    many = statistics(data(tmp_path / "many", varied(40)), None)
    assert same["map"]["effective"] == pytest.approx(1, abs=0.1) and same["map"]["nearest"] == pytest.approx(
        1, abs=0.01
    )
    assert many["map"]["effective"] > 25 and many["map"]["nearest"] < 0.6
    assert same["variety"]["distinct"]["1"] < 0.05 and many["variety"]["distinct"]["3"] > 0.9


def test_words_in_common_are_found_once(tmp_path: Path) -> None:
    tail = "this mail was sent by the office of the harbour master please do not answer it"
    texts = [f"{text} {tail}" for text in varied(30)] + varied(60)[30:]
    common = statistics(data(tmp_path, texts), None)["variety"]["common"]
    assert common and all(one["texts"] == 30 and one["words"] in tail for one in common)
    starts = [tail.index(one["words"]) for one in common]
    assert starts == sorted(starts) and starts[0] == 0 and len(common) <= 4


def test_languages_and_personal_data_are_counted(tmp_path: Path) -> None:
    texts = ["The keeper counts the jars in the evening and writes the number down."] * 3
    texts += ["Der Verwalter zählt am Abend die Gläser und schreibt die Zahl in das Buch."] * 2
    texts += ["Please write to anna.weber@example.org or to ben@example.org today, thank you."]
    found = statistics(data(tmp_path, texts), None)
    assert found["languages"] == {"en": 4, "de": 2} and found["personal"] == {"email": 1}
    assert found["read"] == 6
    row = Row("r", "x", None, "s", {"language": "nl"})
    write_rows(tmp_path / "stated" / "train.jsonl", [row])
    assert statistics(open_data(tmp_path / "stated"), None)["languages"] == {"nl": 1}


def test_likeness_is_seen_on_the_map(tmp_path: Path) -> None:
    ships = [f"the ship left the harbour with cargo {n} for the island" for n in range(20)]
    cooks = [f"stir butter into flour and bake pastry {n} until golden" for n in range(20)]
    points = statistics(data(tmp_path, ships + cooks), None)["map"]["points"]
    first = {int(point["id"][1:]) < 20: [] for point in points}
    for point in points:
        first[int(point["id"][1:]) < 20].append(point["x"])
    assert max(first[True]) < min(first[False]) or max(first[False]) < min(first[True])


def test_the_same_data_gives_the_same_figures_in_any_order(tmp_path: Path) -> None:
    texts = varied(30)
    one = statistics(data(tmp_path / "one", texts), None)
    again = statistics(data(tmp_path / "two", texts), None)
    assert json.dumps(one) == json.dumps(again)


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=8))
@settings(max_examples=15)
def test_any_texts_have_statistics(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    safe = [text.encode("utf-8", "replace").decode() for text in texts]
    found: dict[str, Any] = statistics(data(tmp_path_factory.mktemp("any"), safe), None)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["rows"] == len(texts) == sum(found["lengths"]["bins"])
