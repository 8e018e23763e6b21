"""From documents to pairs: what is kept, what is left out and why, and how the report says it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Asked, Loopback, error, said

from stillroom.cli.group import run
from stillroom.data.prepare import prepare
from stillroom.data.rows import read_rows
from stillroom.errors import UserError
from stillroom.recipe.load import RecipeError, load_recipe

RECIPE = """\
name: handbook
instruction: Answer from the passage.
output_schema:
  type: object
  properties:
    citation: {{type: [string, "null"], maxLength: 400}}
    answer: {{type: [string, "null"], maxLength: 200}}
  required: [citation, answer]
  additionalProperties: false
data:
  sources:
    - kind: distilled
      path: docs
      chunk_characters: 300
      chunk_overlap: 0
{source}
  cleaning: {{max_characters: 700}}
teacher:
  base_url: {url}
  model: m
  timeout_s: 5
{teacher}
"""
LEAVE = (
    "# Leave\n\nStaff have thirty days of leave a year. Ask two weeks before. Unused days lapse at the end of March.\n"
)
FEES = (
    "# Fees\n\nA late payment costs five percent a month from the third day on. The office in Leeds takes questions.\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(LEAVE)
    (tmp_path / "docs" / "b.md").write_text(FEES)
    return tmp_path


def written(folder: Path, server: Loopback, source: str = "", **teacher: Any) -> Path:
    path = folder / "handbook.yaml"
    more = "\n".join(f"  {name}: {json.dumps(value)}" for name, value in teacher.items())
    indented = "\n".join(f"      {line}" for line in source.splitlines())
    path.write_text(RECIPE.format(url=server.url, source=indented, teacher=more))
    return path


def task(asked: Asked) -> str:
    name = next(iter(asked.body["response_format"]["json_schema"]["schema"]["properties"]))
    return {"question": "question", "found": "answer", "reason": "judge"}[name]


def kind(asked: Asked) -> str:
    marks = {"one fact": "fact", "concluded": "reasoning", "differ": "comparison", "step by step": "procedure"}
    return next((kind for mark, kind in marks.items() if mark in asked.prompt), "not-in-text")


def good(asked: Asked) -> Answer:
    """A teacher that does everything right."""
    leave = "Unused days" in asked.prompt
    if task(asked) == "question":
        return said({"question": f"What does the handbook say on {'leave' if leave else 'fees'}, as a {kind(asked)}?"})
    if task(asked) == "answer":
        if "as a not-in-text" in asked.prompt:
            return said({"found": None})
        citation = "Staff have thirty days of leave" if leave else "A late payment costs five percent"
        return said({"found": {"citation": citation, "answer": "thirty days" if leave else "five percent"}})
    claim = asked.body["messages"][-1]["content"]
    right = "does not answer" in claim or ("thirty days\n" in claim) == leave
    return said({"reason": "because", "score": 5 if right else 1})


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_good_teacher_gives_a_pair_for_every_kind_and_passage(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = good
    assert run(["distil", str(written(folder, server)), "-o", str(folder / "pairs.jsonl")]) == 0
    pairs = read_rows(folder / "pairs.jsonl")
    assert [pair.meta["kind"] for pair in pairs] == 2 * ["fact", "reasoning", "comparison", "procedure", "not-in-text"]
    first = pairs[0]
    assert first.text.startswith("Question: What does the handbook say on leave, as a fact?\n\n# Leave\n\nStaff have")
    assert first.label == {"citation": "Staff have thirty days of leave", "answer": "thirty days"}
    meta = first.meta
    assert (meta["file"], meta["page"], meta["headings"], meta["score"]) == ("a.md", None, ["Leave"], 5)
    assert LEAVE[meta["citation_start"] : meta["citation_end"]] == first.label["citation"]
    assert pairs[4].label == {"citation": None, "answer": None}
    report = json.loads((folder / "pairs.report.json").read_text())["sources"]["distilled:docs"]
    assert report["kinds"]["procedure"] == {"asked": 2, "kept": 2}
    assert report["chunks_without_pair"] == 0 and report["citations"] == {
        "answers": 10, "failed_at_first": 0, "failed": 0,
    }  # fmt: skip
    assert report["controls"] == {"asked": 8, "accepted": 0} and report["scores"] == {"5": 10}
    shown = capsys.readouterr().out
    assert "10 pairs\n" in shown and "the judge accepted 0 of 8: it notices most." in shown
    assert [line.split()[0] for line in shown.splitlines()[-5:]] == ["cost", "questions", "answers", "judge", "all"]


def wrong(part: str, value: Any) -> Callable[[Asked], Answer]:
    """The good teacher, but for one of its tasks where the passage is about fees."""

    def reply(asked: Asked) -> Answer:
        return said(value) if task(asked) == part and "late payment" in asked.prompt else good(asked)

    return reply


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (wrong("question", "hello"), "no valid question", "it is not JSON"),
        (wrong("question", {"question": None}), "the passage has nothing of this kind", "fact"),
        (
            wrong("answer", {"found": {"citation": "The fee is five percent a month", "answer": "5"}}),
            "the citation is not in",
            "word",
        ),
        (wrong("answer", {"found": {"citation": None, "answer": "five"}}), "no valid answer", "not valid under any"),
        (wrong("answer", {"found": None}), "the passage does not answer the question", ""),
        (
            wrong("judge", {"reason": "It asks for two things.", "score": 2}),
            "the judge's score is too low",
            "2 of 5: It",
        ),
        (wrong("judge", "fine!"), "no verdict of the judge", "it is not JSON"),
    ],
)
def test_what_fails_keeps_its_reason(
    server: Loopback, folder: Path, reply: Callable[[Asked], Answer], reason: str, detail: str
) -> None:
    server.reply = reply
    recipe = written(folder, server, "questions: [fact]\ncontrols: 0")
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 0
    assert [pair.meta["file"] for pair in read_rows(folder / "pairs.jsonl")] == ["a.md"]
    (left_out,) = rows(folder / "pairs.rejected.jsonl")
    assert left_out["reason"].startswith(reason) and detail in left_out["reason"]
    report = json.loads((folder / "pairs.report.json").read_text())["sources"]["distilled:docs"]
    assert sum(report["dropped"].values()) == 1 and report["chunks_without_pair"] == 1


def test_a_question_that_the_text_answers_after_all_is_left_out(server: Loopback, folder: Path) -> None:
    server.reply = wrong(
        "answer", {"found": {"citation": "A late payment costs five percent", "answer": "five percent"}}
    )
    recipe = written(folder, server, "questions: [not-in-text]")
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 0
    assert rows(folder / "pairs.rejected.jsonl")[0]["reason"].startswith("the passage does answer the question")


def test_a_wrong_citation_is_told_and_may_be_put_right(server: Loopback, folder: Path) -> None:
    def reply(asked: Asked) -> Answer:
        if task(asked) == "answer" and "cannot be used" not in asked.prompt:
            return said({"found": {"citation": "Staff have forty days of leave", "answer": "forty"}})
        return good(asked)

    server.reply = reply
    recipe = written(folder, server, "questions: [fact]")
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 0
    assert len(read_rows(folder / "pairs.jsonl")) == 2
    again = [asked for asked in server.asked if "does not stand in the passage" in asked.prompt]
    again.sort(key=lambda asked: "Unused days" not in asked.prompt)
    # The second time it may choose among the sentences, and copy freely all the same.
    listed = again[0].body["response_format"]["json_schema"]["schema"]["properties"]["found"]["anyOf"][0]
    assert "Staff have thirty days of leave a year." in listed["properties"]["citation"]["enum"]
    report = json.loads((folder / "pairs.report.json").read_text())["sources"]["distilled:docs"]
    assert report["citations"] == {"answers": 2, "failed_at_first": 2, "failed": 0}


def test_the_same_question_is_kept_once(server: Loopback, folder: Path) -> None:
    server.reply = lambda asked: said({"question": "What is it about?"}) if task(asked) == "question" else good(asked)
    recipe = written(folder, server, "questions: [fact, procedure]")
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 0
    assert len(read_rows(folder / "pairs.jsonl")) == 1
    assert [row["reason"] for row in rows(folder / "pairs.rejected.jsonl")] == 3 * ["the question was asked before"]


def test_a_judge_that_accepts_everything_is_found_out(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply = lambda asked: said({"reason": "nice", "score": 5}) if task(asked) == "judge" else good(asked)
    assert run(["distil", str(written(folder, server)), "-o", str(folder / "pairs.jsonl")]) == 0
    assert "the judge accepted 8 of 8: its scores say little." in capsys.readouterr().out


def test_short_passages_and_unreadable_files_are_left_out(server: Loopback, folder: Path) -> None:
    server.reply = good
    (folder / "docs" / "c.md").write_text("# Only a heading\n")
    (folder / "docs" / "d.pdf").write_bytes(b"%PDF-1.4 broken")
    recipe = written(folder, server, "questions: [fact]")
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 0
    reasons = [row["reason"] for row in rows(folder / "pairs.rejected.jsonl")]
    assert reasons[0].startswith("broken document") and reasons[1].startswith("the passage is too short to ask about")
    assert len(read_rows(folder / "pairs.jsonl")) == 2


def test_an_empty_folder_and_a_missing_key_are_told_together(
    server: Loopback, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (folder / "docs").iterdir():
        file.unlink()
    recipe = written(folder, server, keys_env=["NO_SUCH_KEY"])
    assert run(["distil", str(recipe), "-o", str(folder / "pairs.jsonl")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "docs holds no document" in lines[0] and lines[1].startswith("No key: the environment variable NO_SUCH_KEY")
    assert run(["check", str(recipe)]) == 2 and not server.asked


SUBJECTS = ["parking", "laptops", "visitors", "fire drills", "printing", "catering", "cleaning", "heating", "badges"]


def test_prepare_reads_the_source_and_goes_on_after_a_stop(server: Loopback, folder: Path) -> None:
    for file in (folder / "docs").iterdir():
        file.unlink()
    for number, word in enumerate([*SUBJECTS, "post", "plants", "lifts", "music"]):
        text = (
            f"# Rules {number}\n\nAll {word} is up to the {word} officer in room {number}. Of {word} the board hears.\n"
        )
        (folder / "docs" / f"{number:02}.md").write_text(text)

    def reply(asked: Asked) -> Answer:
        word = asked.prompt.partition("All ")[2].partition(" is up")[0]
        if task(asked) == "question":
            return said({"question": f"Who decides on {word} in this house?"})
        if task(asked) == "answer":
            return said(
                {"found": {"citation": f"All {word} is up to the {word} officer", "answer": f"the {word} officer"}}
            )
        return said({"reason": "so it is", "score": 5})

    recipe = load_recipe(written(folder, server, "questions: [fact]\ncontrols: 2", concurrency=1))
    server.reply = lambda asked: reply(asked) if len(server.asked) <= 20 else error(401)
    with pytest.raises(UserError, match="No key of the teacher can be used"):
        prepare(recipe, folder, folder / "data")
    server.reply = reply
    report = prepare(recipe, folder, folder / "data")
    # 13 questions with answers and verdicts, 2 controls; the one that was refused was asked twice.
    assert len(server.asked) == 13 * 3 + 2 + 1
    assert report["sources"] == [{"source": "distilled:docs", "read": 13, "kept": 13}]
    assert any("13 pairs were good. 0 passages gave none." in note for note in report["notes"])
    prepare(recipe, folder, folder / "again")
    assert len(server.asked) == 13 * 3 + 2 + 1
    assert (folder / "data" / "train.jsonl").read_bytes() == (folder / "again" / "train.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("answer: {type", "reply: {type", "answer"),
        ("citation, answer]", "citation, answer, mood]", "mood"),
        ('type: [string, "null"], maxLength: 200', "type: string, maxLength: 200", "not-in-text has no answer"),
        ("max_characters: 700", "max_characters: 500", "would be cut at 500; write 600"),
        ("chunk_overlap: 0", "chunk_overlap: 200", "must be less than half of chunk_characters"),
        ("path: docs", "path: dogs", "no such file or folder"),
        ("kind: distilled", "kind: distilled\n      questions: [facts]", "did you mean 'fact'?"),
    ],
)
def test_faults_of_a_distilled_source(server: Loopback, folder: Path, old: str, new: str, message: str) -> None:
    path = written(folder, server)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)
