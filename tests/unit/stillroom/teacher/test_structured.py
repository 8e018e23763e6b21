"""Answers as values: what is read, what is asked again, and when it is enough."""

from collections.abc import Callable
from typing import Any

import pytest
from loopback import Answer, Asked, Loopback, error, said

from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.structured import TeacherIsWrong, Trust, ask_json, ask_text, read_json

Connect = Callable[..., Client]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"topic": {"enum": ["billing", "other"]}, "urgent": {"type": "boolean"}},
    "required": ["topic", "urgent"],
    "additionalProperties": False,
}
GOOD = {"topic": "billing", "urgent": True}
ASK = [("user", "Which topic?")]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a":1}\n',
        '```json\n{"a": 1}\n```',
        'Sure, here it is:\n```\n{"a": 1}\n```\nAnything else?',
        'The answer is {"a": 1}.',
        '<think>Is it {"a": 2}?</think>\n{"a": 1}',
        'Is it {"a": 2}?\n</think>\n{"a": 1}',
        '{"a": 1}\n\nExplanation: the text [1] says so.',
        '```json {"a": 1}```',
        '```JSON\n{"a": 1}',
        'As [1] says: {"a": 1}, that is {"a": 1}.',
    ],
)
def test_json_is_found_where_models_put_it(text: str) -> None:
    assert read_json(text) == {"a": 1}
    assert read_json('{"a": "write ```x``` there"}') == {"a": "write ```x``` there"}
    assert read_json("Here: [1, 2]") == [1, 2] and read_json("```\n5\n```") == 5


@pytest.mark.parametrize("text", ["", "no", "{", '{"a": NaN}', '{"a": 1} or {"a": 2}', "[" * 5000, "{'a': 1}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|empty|nested"):
        read_json(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (said('{"topic": "billing", "urg', finish="length"), "cut off after 512 tokens"),
        (said("I think it is about billing."), "it is not JSON"),
        (said({"topic": "weather", "urgent": True}), "topic: 'weather' is not one of"),
        (said({"topic": "billing"}), "'urgent' is a required property"),
        (said(""), "the answer is empty"),
    ],
)
def test_a_wrong_answer_is_asked_again_with_the_fault(
    server: Loopback, connect: Connect, wrong: Answer, told: str
) -> None:
    server.script = [wrong, said(GOOD)]
    assert ask_json(connect(), "test", ASK, SCHEMA) == GOOD
    assert told in server.asked[1].prompt and "Answer again" in server.asked[1].prompt
    assert [message["role"] for message in server.asked[1].body["messages"]] == ["user", "assistant", "user"]


def test_a_text_that_was_cut_off_is_not_taken_for_whole(server: Loopback, connect: Connect) -> None:
    server.script = [said("The keeper counts the jars in the", finish="length"), said("The keeper counts.")]
    assert ask_text(connect(), "test", ASK) == "The keeper counts."
    assert "cut off after 512 tokens; answer more briefly" in server.asked[1].prompt
    server.script = [said(GOOD, finish="length")]
    assert ask_json(connect(), "test", ASK, SCHEMA) == GOOD and len(server.asked) == 3


def test_the_schema_goes_along_where_the_endpoint_takes_it(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: said(GOOD)
    assert ask_json(connect(), "test", ASK, SCHEMA) == GOOD
    assert server.asked[0].body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert server.asked[0].body["response_format"]["json_schema"]["strict"] is True


def test_without_structured_output_the_answer_is_parsed(server: Loopback, connect: Connect) -> None:
    def reply(asked: Asked) -> Answer:
        return error(400, "unknown field response_format") if "response_format" in asked.body else said(GOOD)

    server.reply = reply
    assert ask_json(connect(), "test", ASK, SCHEMA) == GOOD


def test_an_answer_that_stays_wrong_gives_the_last_fault(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: said("never")
    with pytest.raises(NoAnswer, match=r"2 answers could not be used, the last because it is not JSON"):
        ask_json(connect(tries=2), "test", ASK, SCHEMA)
    assert len(server.asked) == 2


def test_a_check_of_its_own_counts_too(server: Loopback, connect: Connect) -> None:
    server.script = [said("short"), said("<think>hm</think> long enough ")]
    check = lambda text: "" if len(text) > 8 else "too short"  # noqa: E731
    assert ask_text(connect(), "test", ASK, check=check) == "long enough"
    assert "too short" in server.asked[1].prompt


def test_trust_ends_after_twenty_items_in_vain() -> None:
    trust = Trust("texts")
    for _ in range(19):
        trust.failed("it is not JSON")
    with pytest.raises(TeacherIsWrong, match=r"any of 20 texts. The last: it is not JSON"):
        trust.failed("it is not JSON")


def test_one_good_item_keeps_the_trust() -> None:
    trust = Trust("texts")
    trust.gained()
    for _ in range(50):
        trust.failed("it is not JSON")
