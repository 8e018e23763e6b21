import json
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.chat import ChatReader
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.model import ChatSource

SHAREGPT = {
    "id": "c1",
    "conversations": [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Hello"},
        {"from": "gpt", "value": "Hi!"},
        {"from": "human", "value": "The time?"},
        {"from": "gpt", "value": "Four."},
    ],
}
OPENAI = {
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "The"}, {"type": "text", "text": "time?"}]},
        {"role": "assistant", "content": "Four."},
    ]
}
ALPACA = {"instruction": "Translate.", "input": "vier", "output": "four"}


def read(tmp_path: Path, records: Any, lines: bool = True, **fields: Any) -> tuple[list[Row | Rejected], ChatReader]:
    text = "\n".join(json.dumps(record) for record in records) if lines else json.dumps(records)
    (tmp_path / "log.json").write_text(text)
    reader = ChatReader(ChatSource(kind="chat", path="log.json", **fields), tmp_path, "chat:log.json", 0)
    assert reader.faults() == []
    return list(reader.rows()), reader


@pytest.mark.parametrize("lines", [True, False])
def test_the_three_formats(tmp_path: Path, lines: bool) -> None:
    items, reader = read(tmp_path, [SHAREGPT, OPENAI, ALPACA], lines)
    assert [(item.id, item.text, item.label) for item in items if isinstance(item, Row)] == [
        ("c1", "User: Hello\nAssistant: Hi!\nUser: The time?", "Four."),
        ("chat:log.json/2", "The\ntime?", "Four."),
        ("chat:log.json/3", "Translate.\n\nvier", "four"),
    ]
    assert items[0].meta == {"system": "Be brief."}  # type: ignore[union-attr]
    assert "2 conversations begin with a system message" in reader.notes[0]


def test_what_others_write_for_the_same(tmp_path: Path) -> None:
    """An export of ChatGPT, which is a tree of all attempts; Alpaca with history; a prompt with its completion."""
    told = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["The time?"]}}
    answers = [{"author": {"role": "assistant"}, "content": {"parts": [text]}} for text in ("Five.", "Four.")]
    tree = {
        "root": {"message": None, "parent": None},
        "settings": {"message": {"author": {"role": "system"}, "content": {"parts": [""]}}, "parent": "root"},
        "asked": {"message": told, "parent": "settings"},
        **{f"answer{n}": {"message": answer, "parent": "asked"} for n, answer in enumerate(answers)},
    }
    records = [
        {"id": "e1", "title": "Time", "mapping": tree, "current_node": "answer1"},
        {"id": "e2", "mapping": {"a": {"message": None, "parent": "b"}, "b": {"parent": "a"}}, "current_node": "a"},
        {"instruction": "And now?", "output": "Five.", "system": "Be brief.", "history": [["The time?", "Four."]]},
        {"instruction": "Where?", "context": "Here.", "response": "Here."},
        {"prompt": "The time?", "completion": "Four."},
        {"prompt": [{"role": "user", "content": "a?"}], "completion": [{"role": "assistant", "content": "b"}]},
        {"items": [{"from": "Human", "text": "a?"}, {"from": "AI", "text": "b"}]},
    ]
    items, _ = read(tmp_path, records)
    assert [(item.text, item.label) if isinstance(item, Row) else item.reason for item in items] == [
        ("The time?", "Four."),
        "no question with an answer",
        ("User: The time?\nAssistant: Four.\nUser: And now?", "Five."),
        ("Where?\n\nHere.", "Here."),
        ("The time?", "Four."),
        ("a?", "b"),
        ("a?", "b"),
    ]


def test_the_first_answer(tmp_path: Path) -> None:
    items, _ = read(tmp_path, [SHAREGPT], turn="first")
    assert isinstance(items[0], Row) and (items[0].text, items[0].label) == ("Hello", "Hi!")


def test_conversations_that_give_no_row_say_why(tmp_path: Path) -> None:
    def said(*turns: tuple[str, Any]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    calls = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{}], "content": None}]}
    records = [
        ALPACA,
        said(("user", "alone")),
        said(("assistant", "Welcome!")),
        said(("user", "x"), ("wizard", "y")),
        said(("user", [{"type": "image_url", "image_url": {}}]), ("assistant", "y")),
        said(("user", "x"), ("tool", "y")),
        calls,
        said(("user", None), ("assistant", "y")),
        {"prompt": "x"},
        {"instruction": 5, "output": "x"},
        {"messages": "x"},
        [1],
    ]
    items, _ = read(tmp_path, records)
    assert [item.reason for item in items if isinstance(item, Rejected)] == [
        *["no question with an answer"] * 2,
        "an unknown speaker",
        "more than text",
        *["a tool is used"] * 2,
        *["not a conversation"] * 4,
        "not a JSON object",
    ]


def test_one_format_can_be_asked_for(tmp_path: Path) -> None:
    items, _ = read(tmp_path, [ALPACA, SHAREGPT], format="sharegpt")
    assert [type(item) for item in items] == [Rejected, Row]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no conversation"),
        ('{"question": "a", "answer": "b"}', "the first has: question, answer."),
        ("[1, 2", "is not JSON"),
        ("[1, 2]", "holds no conversation"),
    ],
)
def test_files_that_are_no_chat_logs(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "log.json").write_text(text)
    reader = ChatReader(ChatSource(kind="chat", path="log.json"), tmp_path, "chat:log.json", 0)
    assert said in reader.faults()[0]
