"""Labels by votes, from the command to its files."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Asked, Loopback, error, said

from stillroom.cli.group import run
from stillroom.data.rows import Row, read_rows
from stillroom.recipe.load import load_recipe
from stillroom.recipe.model import Recipe
from stillroom.teacher.annotate import label_row
from stillroom.teacher.client import Client

RECIPE = """\
name: tickets
instruction: Sort the message.
output_schema:
  type: object
  properties:
    topic: {{enum: [billing, delivery, other]}}
    urgent: {{type: boolean}}
  required: [topic, urgent]
  additionalProperties: false
data:
  sources: [{{kind: jsonl, path: labelled.jsonl}}]
teacher:
  base_url: {url}
  model: m
  timeout_s: 5
{more}
"""
TEXTS = ["My invoice is wrong.", "Where is my parcel?", "Is it billing or delivery?", "The teacher is lost here."]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "texts.txt").write_text("\n".join(["", *TEXTS, ""]))
    return tmp_path


def written(folder: Path, server: Loopback, **more: Any) -> Path:
    path = folder / "tickets.yaml"
    lines = "\n".join(f"  {name}: {json.dumps(value)}" for name, value in more.items())
    path.write_text(RECIPE.format(url=server.url, more=lines))
    return path


def teacher(asked: Asked) -> Answer:
    """Sure about two of the texts, of two minds about the third, and wrong about the last."""
    prompt = asked.prompt
    if "lost" in prompt:
        return said({"topic": "weather", "urgent": False})
    if "or delivery" in prompt:
        topic = "billing" if prompt.startswith("Here is a text") else "delivery" if "The answer:" in prompt else "other"
        return said({"topic": topic, "urgent": False})
    return said({"topic": "billing" if "invoice" in prompt else "delivery", "urgent": False})


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_annotate_parts_the_sure_the_unsure_and_the_wrong(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = teacher
    recipe, out = written(folder, server), folder / "labelled.jsonl"
    assert run(["annotate", str(recipe), str(folder / "texts.txt"), "-o", str(out)]) == 0
    sure = read_rows(out)
    assert [(row.text, row.label["topic"], row.meta["agreement"]) for row in sure] == [
        (TEXTS[0], "billing", 1.0),
        (TEXTS[1], "delivery", 1.0),
    ]
    (unsure,) = read_rows(folder / "labelled.review.jsonl")
    assert unsure.text == TEXTS[2] and unsure.meta["agreement"] == 0.3333 and unsure.meta["disagreed"] == ["topic"]
    assert sorted(vote["label"]["topic"] for vote in unsure.meta["votes"]) == ["billing", "delivery", "other"]
    (wrong,) = rows(folder / "labelled.rejected.jsonl")
    assert wrong["reason"].startswith("the teacher gave no valid label: 3 answers could not be used, the last because")
    report = json.loads((folder / "labelled.report.json").read_text())
    assert (report["labelled"], report["for_people"], report["rejected"]) == (2, 1, 1)
    assert report["agreements"] == {"0.3333": 1, "1.0": 2}
    assert report["cost"][-1]["paid"] == len(server.asked) == 9 + 9
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"{out}: 2 of 4 texts labelled, 3 votes each"
    assert shown[-1].split() == ["all", "18", "0", "180", "90", "0.00"]


def test_a_file_that_is_no_work_of_ours_is_not_written_over(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = teacher
    recipe, texts = written(folder, server), folder / "texts.txt"
    lines = texts.rename(folder / "texts.jsonl")
    before = lines.read_text()
    assert run(["annotate", str(recipe), str(lines), "-o", str(lines)]) == 2
    assert "is there already, and no earlier run of this command wrote it" in capsys.readouterr().err
    assert lines.read_text() == before and list(folder.glob("texts.*")) == [lines]
    assert not server.asked, "nothing is paid for before that is said"
    texts = lines.rename(texts)
    for _ in range(2):
        assert run(["annotate", str(recipe), str(texts), "-o", str(folder / "labelled.jsonl")]) == 0
    assert len(server.asked) == 18


def test_json_lines_are_not_written_to_a_table(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(folder, server)
    assert run(["annotate", str(recipe), str(folder / "texts.txt"), "-o", str(folder / "labelled.csv")]) == 2
    assert "what is written is JSON Lines, so name it labelled.jsonl" in capsys.readouterr().err
    assert not server.asked and not list(folder.glob("labelled*"))


def test_what_it_wrote_is_a_source_of_the_recipe(server: Loopback, folder: Path) -> None:
    server.reply = teacher
    recipe = written(folder, server)
    run(["annotate", str(recipe), str(folder / "texts.txt"), "-o", str(folder / "labelled.jsonl")])
    from stillroom.data.cleaning import clean
    from stillroom.data.sources import open_sources

    loaded = load_recipe(recipe)
    (reader,) = open_sources(loaded.data.sources, folder, 0)
    cleaned = [clean(item, loaded) for item in reader.rows() if isinstance(item, Row)]
    assert [item.label["topic"] for item in cleaned if isinstance(item, Row)] == ["billing", "delivery"]


def test_the_budget_ends_it_and_the_same_command_goes_on(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = teacher
    out, texts = folder / "labelled.jsonl", str(folder / "texts.txt")
    # 15 tokens a vote, and up to 1,100 at worst: room for the votes of one or two texts, not for all.
    recipe = written(folder, server, budget={"tokens": 1130}, concurrency=1)
    assert run(["annotate", str(recipe), texts, "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert "The teacher's budget is reached" in told and "raise teacher.budget" in told
    kept, asked = len(read_rows(out)), len(server.asked)
    assert kept >= 1 and json.loads((folder / "labelled.report.json").read_text())["left"] >= 1
    recipe = written(folder, server, budget={"tokens": 100_000}, concurrency=1)
    assert run(["annotate", str(recipe), texts, "-o", str(out)]) == 0
    assert len(read_rows(out)) == 2 and len(server.asked) == 18 > asked


def test_a_teacher_that_is_always_wrong_is_told(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = lambda asked: said("As an AI I cannot help with that.")
    recipe = written(folder, server, votes=1, tries=1)
    (folder / "texts.txt").write_text("\n".join(f"text {number}" for number in range(100)))
    assert run(["annotate", str(recipe), str(folder / "texts.txt"), "-o", str(folder / "labelled.jsonl")]) == 2
    assert "The teacher gave no usable answer to any of 2" in capsys.readouterr().err
    assert len(server.asked) < 30  # and not a hundred
    assert (folder / "labelled.jsonl").read_text() == ""
    assert "it is not JSON" in rows(folder / "labelled.rejected.jsonl")[0]["reason"]


def test_few_texts_that_are_all_wrong_are_told_too(server: Loopback, folder: Path) -> None:
    server.reply = lambda asked: said("no")
    recipe = written(folder, server, votes=1, tries=1)
    assert run(["annotate", str(recipe), str(folder / "texts.txt"), "-o", str(folder / "labelled.jsonl")]) == 2


def test_faults_of_the_endpoint_leave_no_files(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.models = error(401)
    out = folder / "labelled.jsonl"
    assert run(["annotate", str(written(folder, server)), str(folder / "texts.txt"), "-o", str(out)]) == 2
    assert "wants a key" in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "No such file"),
        ("empty.txt", "\n \n", "holds no text"),
        ("bad.csv", "message\nhello\n", "has no column text"),
        ("latin.txt", b"\xff\xfe\xfa", "cannot be read as UTF-8"),
    ],
)
def test_texts_that_cannot_be_read(
    server: Loopback,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | bytes | None,
    message: str,
) -> None:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert run(["annotate", str(written(folder, server)), str(folder / name), "-o", str(folder / "x.jsonl")]) == 2
    assert message in capsys.readouterr().err and not server.asked


def test_a_table_keeps_its_ids(server: Loopback, folder: Path) -> None:
    server.reply = teacher
    (folder / "t.csv").write_text("id,text\na7,My invoice is wrong.\na7,My invoice is late.\n,Where is my parcel?\n")
    recipe, out = written(folder, server, votes=1), folder / "labelled.jsonl"
    assert run(["annotate", str(recipe), str(folder / "t.csv"), "-o", str(out)]) == 0
    assert [row.id for row in read_rows(out)] == ["a7", "csv:t.csv/3"]
    assert [row["reason"] for row in rows(folder / "labelled.rejected.jsonl")] == ["the id is used twice"]


@pytest.fixture
def free_text(server: Loopback, connect: Callable[..., Client]) -> Iterator[tuple[Client, Recipe]]:
    raw = {"name": "x", "instruction": "Sum up.", "data": {"sources": [{"kind": "generated-event-mail", "sample": 1}]}}
    yield connect(), Recipe.model_validate(raw)


def test_free_texts_agree_by_their_words(server: Loopback, free_text: tuple[Client, Recipe]) -> None:
    server.script = [said("The parcel is late."), said("The invoice is wrong."), said("The parcel is very late.")]
    row = label_row(*free_text, Row("1", "text", None, "s"))
    assert isinstance(row, Row)
    assert row.label == "The parcel is late." and 0.6 < row.meta["agreement"] < 0.9


def test_a_vote_that_never_came_agrees_with_nothing(server: Loopback, free_text: tuple[Client, Recipe]) -> None:
    server.script = [said("Late."), error(400, "no"), error(400, "no")]
    row = label_row(*free_text, Row("1", "text", None, "s"))
    assert isinstance(row, Row) and row.meta["agreement"] == 0.3333
