"""More rows from labelled ones: the label stays right whatever is done to the text."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer, Asked, Loopback, said

from stillroom.cli.group import run
from stillroom.data.origins import joined_by_origin
from stillroom.data.rows import Row, read_rows
from stillroom.teacher.noise import add_noise, spans
from stillroom.teacher.swap import Swapper, copied_values

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"enum": ["delivery", "defect"]},
        "product": {"type": ["string", "null"], "maxLength": 20},
        "people": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 20}},
                "required": ["name"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["topic", "product", "people"],
    "additionalProperties": False,
}


def row(id: str, text: str, product: str | None, *people: str) -> Row:
    label = {"topic": "defect", "product": product, "people": [{"name": name} for name in people]}
    return Row(id, text, label, "s")


ROWS = [
    row("1", "The Aria lamp of Anna stays dark. Is the Aria lamp sold out?", "Aria lamp", "Anna"),
    row("2", "My Fjord table wobbles, says Joan.", "Fjord table", "Joan"),
    row("3", "Nothing works here.", None),
]


def test_a_swap_moves_the_label_along_in_every_place() -> None:
    swapped = Swapper(ROWS[:2], SCHEMA).swap(ROWS[0], random.Random(3))
    assert swapped is not None
    text, label = swapped
    assert label["topic"] == "defect"
    if label["product"] == "Fjord table":
        assert text == "The Fjord table of Anna stays dark. Is the Fjord table sold out?"
        assert label["people"] == [{"name": "Anna"}]
    else:
        assert text == "The Aria lamp of Joan stays dark. Is the Aria lamp sold out?"
        assert label["people"] == [{"name": "Joan"}] and label["product"] == "Aria lamp"


def test_a_swap_needs_a_value_in_the_text_and_another_one() -> None:
    assert Swapper(ROWS, SCHEMA).swap(ROWS[2], random.Random(0)) is None
    assert Swapper(ROWS[:1], SCHEMA).swap(ROWS[0], random.Random(0)) is None


def test_a_value_inside_another_moves_too_and_half_words_do_not() -> None:
    rows = [
        row("1", "Anna of Annaberg bought the Anna lamp.", "Anna lamp", "Anna"),
        row("2", "Joan came.", None, "Joan"),
    ]
    seen = set()
    for seed in range(20):
        swapped = Swapper(rows, SCHEMA).swap(rows[0], random.Random(seed))
        if swapped is not None:
            seen.add((swapped[0], swapped[1]["product"], swapped[1]["people"][0]["name"]))
    assert seen == {("Joan of Annaberg bought the Joan lamp.", "Joan lamp", "Joan")}


NAMES = st.sampled_from(["Anna", "Joan", "Li Wei", "王丽华", "O'Neil", r"A\1", "Ann", "Jürgen", "Fjord table"])


@given(st.lists(st.tuples(NAMES, NAMES), min_size=2, max_size=5), st.integers(0, 50))
def test_whatever_a_label_copied_it_still_copies(pairs: list[tuple[str, str]], seed: int) -> None:
    rows = [row(str(n), f"{one} wrote to {two} about {one}.", None, one, two) for n, (one, two) in enumerate(pairs)]
    swapped = Swapper(rows, SCHEMA).swap(rows[0], random.Random(seed))
    if swapped is not None:
        text, label = swapped
        assert copied_values(Row("x", text, label, "s")) == [one["name"] for one in label["people"]]
        assert text != rows[0].text and label != rows[0].label


WORDS = "Please send the Aria lamp to 14 Mill Road before 9 in the morning; Anna will open the door for the courier."


@given(st.sampled_from(["typos", "ocr"]), st.integers(0, 500), st.booleans())
def test_noise_leaves_what_the_label_says(noise: Any, seed: int, digits: bool) -> None:
    noisy = add_noise(WORDS, noise, random.Random(seed), ["Aria lamp", "Anna"], digits)
    assert noisy != WORDS and "Aria lamp" in noisy and "Anna" in noisy
    if not digits:
        assert [letter for letter in noisy if letter in "149"] != [] and "14 " in noisy and " 9 " in noisy
    assert abs(len(noisy) - len(WORDS)) <= 6


def test_noise_of_each_kind_is_its_own() -> None:
    assert add_noise("modern corner", "ocr", random.Random(1), [], False) in ("rnodern corner", "modem corner", *OCR)
    assert spans("Anna and anna", ["Anna"]) == [(0, 4), (9, 13)]
    assert add_noise("abc", "typos", random.Random(1), [], False) == "abc"  # no word of four letters


OCR = ("modern comer", "mo" + "clern corner", "m0dern corner", "modcrn corner", "modern c0rner", "modern comcr",
       "modern corncr")  # fmt: skip


def test_rows_of_one_origin_share_a_cluster() -> None:
    ids = ["a", "b", "a~typos1", "c~swap1", "c~paraphrase1", "b~ocr1"]
    assert joined_by_origin(ids, [0, 1, 2, 3, 4, 5]) == [0, 1, 0, 3, 3, 1]
    # a and c are near duplicates: then all of both are one.
    assert joined_by_origin(ids, [0, 1, 2, 0, 4, 5]) == [0, 1, 0, 0, 0, 1]


def test_a_paraphrase_is_never_tested_on_what_trained_its_origin(tmp_path: Path) -> None:
    from stillroom.data.prepare import prepare
    from stillroom.recipe.model import Recipe

    words = ["lamp", "table", "radio", "kettle", "heater", "fan", "camera", "washer", "suitcase", "zip", "door", "sofa"]
    lines = []
    for number, word in enumerate(words):
        lines.append({"id": f"a{number}", "text": f"The {word} broke on day {number}.", "label": "defect"})
        text = f"After {number} days my new {word} was of no use to me"
        lines.append({"id": f"a{number}~paraphrase1", "text": text, "label": "defect"})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recipe = Recipe.model_validate({
        "name": "x", "instruction": "y",
        "data": {"sources": [{"kind": "jsonl", "path": str(tmp_path / "rows.jsonl"), "id": "id"}]},
    })  # fmt: skip
    prepare(recipe, tmp_path, tmp_path / "data")
    for name in ("train", "validation", "test"):
        ids = {row.id for row in read_rows(tmp_path / "data" / f"{name}.jsonl")}
        assert ids and {id.partition("~")[0] for id in ids} == {id for id in ids if "~" not in id}
        assert len(ids) % 2 == 0


RECIPE = """\
name: repairs
instruction: Sort the message.
output_schema: {schema}
data:
  sources: [{{kind: jsonl, path: rows.jsonl}}]
teacher: {{base_url: "{url}", model: m, timeout_s: 5, tries: 2}}
"""


@pytest.fixture
def folder(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "r.yaml").write_text(RECIPE.format(schema=json.dumps(SCHEMA), url=server.url))
    lines = [json.dumps({"id": one.id, "text": one.text, "label": one.label}) for one in ROWS]
    (tmp_path / "rows.jsonl").write_text(
        "\n".join([*lines, '{"id": "4", "text": "no label", "label": {"topic": "x"}}'])
    )
    return tmp_path


def rewrite(asked: Asked) -> Answer:
    """Rewords well, but loses Joan at first."""
    prompt = asked.prompt
    if "into German" in prompt or "into French" in prompt:
        return said("Etwas in einer anderen Sprache, das lang genug ist.")
    if "Joan" in prompt and "must keep" not in prompt and "language alone" not in prompt:
        return said("The table by Fjord is shaky, she says.")
    if "Joan" in prompt:
        return said("Joan says that her Fjord table is shaky.")
    if "Anna" in prompt:
        return said("Anna finds the Aria lamp dark. Can nobody buy it any longer?")
    return said("Nothing works here.")


def test_augment_from_the_command_to_its_files(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = rewrite
    ways = ["--by", "typos", "--by", "ocr", "--by", "swap", "--by", "paraphrase", "--by", "back-translation"]
    command = ["augment", str(folder / "r.yaml"), str(folder / "rows.jsonl"), "-o", str(folder / "more.jsonl")]
    assert run([*command, *ways]) == 0
    made = {one.id: one for one in read_rows(folder / "more.jsonl")}
    for way in ("typos1", "ocr1", "swap1", "paraphrase1"):
        assert f"1~{way}" in made and f"2~{way}" in made
    assert made["2~paraphrase1"].text == "Joan says that her Fjord table is shaky."
    assert made["2~paraphrase1"].label == ROWS[1].label and made["2~paraphrase1"].meta["parent"] == "2"
    assert any(
        "it must keep 'Joan' exactly as written" in asked.prompt.replace("'Fjord table', ", "")
        for asked in server.asked
    )
    reasons = [json.loads(line)["reason"] for line in (folder / "more.rejected.jsonl").read_text().splitlines()]
    assert reasons[0].startswith("the label breaks the schema") and "nothing was changed" in reasons
    assert any(reason.startswith("no value of the label stands in the text") for reason in reasons)
    assert "equal to another row" in reasons  # the back-translation says what the paraphrase said
    report = json.loads((folder / "more.report.json").read_text())
    assert report["ways"]["swap"] == 2 and report["rows"] == len(made)
    assert "left out; " in capsys.readouterr().out
    first = (folder / "more.jsonl").read_bytes()
    assert run([*command, *ways]) == 0 and (folder / "more.jsonl").read_bytes() == first


def test_rules_need_no_teacher(server: Loopback, folder: Path) -> None:
    server.__exit__()
    command = ["augment", str(folder / "r.yaml"), str(folder / "rows.jsonl"), "-o", str(folder / "more.jsonl")]
    assert run([*command, "--by", "typos", "--copies", "3"]) == 0
    assert len(read_rows(folder / "more.jsonl")) == 9


def test_a_task_without_text_fields_has_nothing_to_swap(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.yaml").write_text((folder / "r.yaml").read_text().replace(json.dumps(SCHEMA), "null"))
    command = ["augment", str(folder / "r.yaml"), str(folder / "rows.jsonl"), "-o", str(folder / "more.jsonl")]
    assert run([*command, "--by", "swap"]) == 2
    assert "output_schema has no such text field" in capsys.readouterr().err


def test_rows_without_labels_are_refused(server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rows.jsonl").write_text('{"text": "a", "label": 3}\n')
    command = ["augment", str(folder / "r.yaml"), str(folder / "rows.jsonl"), "-o", str(folder / "more.jsonl")]
    assert run([*command, "--by", "typos"]) == 2
    assert "has no row with a valid label" in capsys.readouterr().err
