"""New texts from seeds: what is new, what is too like another, and evolutions that failed."""

import json
from pathlib import Path

import pytest
from loopback import Answer, Asked, Loopback, said

from stillroom.cli.group import run
from stillroom.data.rows import read_rows
from stillroom.teacher.novelty import Pool, likeness

RECIPE = """\
name: tickets
instruction: Sort the message.
output_schema:
  type: object
  properties: {{topic: {{enum: [billing, delivery]}}}}
  required: [topic]
  additionalProperties: false
data:
  sources: [{{kind: jsonl, path: rows.jsonl}}]
  cleaning: {{min_characters: 10, max_characters: 300}}
teacher: {{base_url: "{url}", model: m, timeout_s: 5, tries: 1, votes: 1, concurrency: 1}}
"""
SEEDS = ["My invoice shows the lamp twice, please correct it.", "The parcel should have come on Monday."]


@pytest.fixture
def command(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "r.yaml").write_text(RECIPE.format(url=server.url))
    (tmp_path / "seeds.txt").write_text("\n".join(SEEDS))
    return ["instruct", str(tmp_path / "r.yaml"), str(tmp_path / "seeds.txt"), "-o", str(tmp_path / "out.jsonl")]


def is_label(asked: Asked) -> bool:
    return "response_format" in asked.body


def test_likeness_is_rouge_l() -> None:
    pytest.importorskip("rouge_score")
    from stillroom.evaluate.text_metrics import rouge_l

    texts = [*SEEDS, "My parcel shows the invoice twice.", "发票上有两盏灯", "发票上有三盏灯", "灯"]
    for one in texts:
        for other in texts:
            assert likeness(one, other) == pytest.approx(rouge_l(one, other))
    assert Pool().nearest("anything") == (0.0, "")
    assert Pool(texts).nearest(texts[2])[1] == texts[2]


def test_new_texts_are_kept_and_like_ones_are_asked_for_again(
    server: Loopback, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = iter([
        "A courier left a box of towels at number forty one.",
        SEEDS[0].replace("lamp", "bulb"),
        "Can I pay for the heater in three instalments?",
    ])  # fmt: skip
    server.reply = lambda asked: said({"topic": "billing"}) if is_label(asked) else said(next(written))
    assert run([*command, "--new", "2", "--evolved", "0"]) == 0
    rows = read_rows(tmp_path / "out.jsonl")
    assert [row.id for row in rows] == ["self-instruct-1", "self-instruct-2"]
    assert rows[1].text.startswith("Can I pay") and rows[1].label == {"topic": "billing"}
    assert rows[1].meta["way"] == "self-instruct" and rows[1].meta["likeness"] < 0.7
    (left_out,) = (tmp_path / "out.rejected.jsonl").read_text().splitlines()
    assert json.loads(left_out)["reason"].startswith("too like another text: 0.89 like: My invoice shows the lamp")
    assert "2 new rows from 2 seeds" in capsys.readouterr().out
    prompts = [asked.prompt for asked in server.asked if not is_label(asked)]
    assert all(seed in prompts[0] for seed in SEEDS) and len(set(prompts)) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SEEDS[0], "the evolution changed nothing"),
        ("Here is the rewritten message: my invoice is wrong.", "the text speaks of its own making: rewritten"),
        ("I'm sorry, I can't help with that.", "the teacher refused"),
        ("As an AI I have no parcels.", "the teacher refused"),
        ("too short", "the length is out of bounds: 9 characters"),
        ("word " * 80, "the length is out of bounds"),
        ("", "the teacher wrote no usable text: 1 answers could not be used, the last because the answer is empty"),
    ],
)
def test_failed_evolutions_are_left_out(
    server: Loopback, command: list[str], tmp_path: Path, text: str, reason: str
) -> None:
    def reply(asked: Asked) -> Answer:
        if is_label(asked):
            return said({"topic": "billing"})
        # Only the first seed's evolution fails; the other gives something new.
        return said(
            text if SEEDS[0] in asked.prompt else f"The parcel that should have come is number {len(server.asked)}."
        )

    server.reply = reply
    assert run([*command, "--new", "0", "--evolved", "2", "--operation", "deepen"]) == 0
    rejected = [json.loads(line) for line in (tmp_path / "out.rejected.jsonl").read_text().splitlines()]
    assert rejected and rejected[0]["reason"].startswith(reason)
    assert rejected[0]["meta"]["way"] == "deepen"
    assert {row.meta["way"] for row in read_rows(tmp_path / "out.jsonl")} == {"deepen"}


def test_each_operation_has_its_turn_and_its_words(server: Loopback, command: list[str], tmp_path: Path) -> None:
    def reply(asked: Asked) -> Answer:
        return (
            said({"topic": "billing"})
            if is_label(asked)
            else said(f"Something else entirely, number {len(server.asked)}.")
        )

    server.reply = reply
    assert run([*command, "--new", "0", "--evolved", "4"]) == 0
    rows = read_rows(tmp_path / "out.jsonl")
    assert [row.meta["way"] for row in rows] == ["deepen", "broaden", "constrain", "concretise"]
    prompts = "\n".join(asked.prompt for asked in server.asked)
    for words in ("needs two steps", "a rarer subject", "facts or conditions", "names, numbers, dates"):
        assert words in prompts


def test_a_teacher_that_writes_nothing_is_told(
    server: Loopback, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = lambda asked: said("")
    assert run([*command, "--new", "30", "--evolved", "0"]) == 2
    assert "gave no usable answer to any of 20 texts" in capsys.readouterr().err
