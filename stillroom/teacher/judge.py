"""The teacher as a judge: is an answer right, and which of two answers is the better."""

import json
from typing import Any, Literal

from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import system_message
from stillroom.teacher.client import Client
from stillroom.teacher.structured import ask_json

PURPOSE = "judge"
HIGHEST = 5

_SCORE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 300},
        "score": {"type": "integer", "minimum": 1, "maximum": HIGHEST},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_BETTER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 300},
        "better": {"enum": ["first", "second", "equal"]},
    },
    "required": ["reason", "better"],
    "additionalProperties": False,
}
_STRICT = "You check the work of others. You are strict: what is not stated counts as wrong. Answer with JSON."
_PASSAGE = "Visitors get a badge at the desk. It opens the front door until six. A lost badge costs five euros."
_PROOF = "A lost badge costs five euros."
_EXAMPLES: tuple[tuple[tuple[str, str | None, str | None], dict[str, Any]], ...] = (
    (
        ("Where can visitors park their cars?", None, None),
        {"reason": "The passage says nothing of cars.", "score": 5},
    ),
    (
        ("Until when does a badge open the front door?", "Until eight.", _PROOF),
        {"reason": "The passage says until six, and the proof is about something else.", "score": 1},
    ),
    (
        ("What does a lost visitor badge cost?", "Five euros.", _PROOF),
        {"reason": "The proof says so in these words.", "score": 5},
    ),
)
Preference = Literal["first", "second", "equal"]


def score_answer(
    client: Client, passage: str, question: str, answer: str | None, citation: str | None
) -> tuple[int, str]:
    """How valid a question with its answer is, from 1 to 5, and why. `answer` None says that the passage has none.

    Raises NoAnswer where the judge gives no valid verdict.
    """
    messages = [("system", _STRICT)]
    for example, verdict in _EXAMPLES:
        messages += [("user", _claim(_PASSAGE, *example)), ("assistant", json.dumps(verdict))]
    messages.append(("user", _claim(passage, question, answer, citation)))
    value = ask_json(client, PURPOSE, messages, _SCORE, temperature=0.0, model=_model(client))
    return int(value["score"]), str(value["reason"])


def _claim(passage: str, question: str, answer: str | None, citation: str | None) -> str:
    if answer is None:
        claim = "Somebody claims that the passage does not answer this question."
        scale = "5: indeed it does not, though the question fits its subject. 1: the passage does answer it."
    else:
        claim = f"Somebody answered: {answer}\nAnd gave this as the proof: {citation}"
        scale = (
            "5: the question makes sense, and the answer is right, whole and proved by the proof. "
            "3: right in part. 1: wrong, not proved, or no answer to this question."
        )
    return (
        f"The passage:\n\n{passage}\n\nThe question: {question}\n{claim}\n\n"
        f"Give your reason in one sentence, then a score from 1 to {HIGHEST}. {scale}"
    )


def prefer(client: Client, recipe: Recipe, text: str, first: str, second: str) -> Preference:
    """Which of two answers to the recipe's task is the better. It is asked in both orders, because judges favour a
    place: where the two verdicts disagree, the answers count as equal. Raises NoAnswer where there is no verdict."""
    one = _better(client, recipe, text, first, second)
    other = _better(client, recipe, text, second, first)
    if one == "first" and other == "second":
        return "first"
    if one == "second" and other == "first":
        return "second"
    return "equal"


def _better(client: Client, recipe: Recipe, text: str, first: str, second: str) -> str:
    asked = (
        f"The task:\n{system_message(recipe)}\n\nThe text:\n{text}\n\n"
        f"The first answer:\n{first}\n\nThe second answer:\n{second}\n\n"
        "Which of the two does the task better? Give your reason in one sentence, then say first, second or equal."
    )
    value = ask_json(
        client, PURPOSE, [("system", _STRICT), ("user", asked)], _BETTER, temperature=0.0, model=_model(client)
    )
    return str(value["better"])


def _model(client: Client) -> str:
    return client.teacher.judge_model or client.teacher.model
