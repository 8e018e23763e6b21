"""Answers as values: under a JSON Schema, checked, and asked for again with the fault told."""

import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.schema import validate
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.endpoint import Request

HOPELESS = 20
"""Items in a row from the first on without one good answer: to go on would spend the budget on nothing."""

_MOST_PLACES = 20
"""Places of an answer where a JSON value is looked for."""

_SHOWN = 2000
"""Characters of a wrong answer that are shown to the teacher again."""

Messages = Sequence[tuple[str, str]]
Check = Callable[[Any], str]
"""What is wrong with a value beyond the schema; empty when nothing is."""


class TeacherIsWrong(UserError):
    """The teacher has not given one usable answer."""


def ask_json(
    client: Client,
    purpose: str,
    messages: Messages,
    schema: dict[str, Any],
    *,
    check: Check = lambda value: "",
    temperature: float | None = None,
    sample: int = 0,
    model: str | None = None,
    retry_schema: dict[str, Any] | None = None,
) -> Any:
    """The teacher's answer as a value of the schema.

    The schema goes along with the request where the endpoint takes it. An answer that is not JSON, breaks the schema or
    fails `check` is asked for again, with the fault told; `retry_schema` goes along then, where it is given, and leaves
    less room for the same fault. Raises NoAnswer with the last fault after the recipe's tries.
    """

    def read(text: str) -> Any:
        value = read_json(text)
        faults = validate(schema, value)
        if faults:
            raise ValueError("; ".join(faults[:3]))
        if fault := check(value):
            raise ValueError(fault)
        return value

    again = "Answer again, with nothing but JSON that follows the schema."
    schemas = (schema, retry_schema or schema)
    return _ask(client, purpose, messages, schemas, read, again, temperature, sample, model)


def ask_text(
    client: Client,
    purpose: str,
    messages: Messages,
    *,
    check: Check = lambda value: "",
    temperature: float | None = None,
    sample: int = 0,
) -> str:
    """The teacher's answer as plain text that is not empty and passes `check`. Raises NoAnswer as `ask_json` does."""

    def read(text: str) -> str:
        text = _without_thoughts(text).strip()
        fault = check(text) if text else "the answer is empty"
        if fault:
            raise ValueError(fault)
        return text

    again = "Answer again, with nothing but the text that was asked for."
    return str(_ask(client, purpose, messages, (None, None), read, again, temperature, sample, None))


def _ask(
    client: Client,
    purpose: str,
    messages: Messages,
    schemas: tuple[dict[str, Any] | None, dict[str, Any] | None],
    read: Callable[[str], Any],
    again: str,
    temperature: float | None,
    sample: int,
    model: str | None,
) -> Any:
    teacher = client.teacher
    conversation, fault = tuple(messages), ""
    for attempt in range(teacher.tries):
        schema = schemas[min(attempt, 1)]
        request = Request(
            purpose,
            model or teacher.model,
            conversation,
            teacher.max_answer_tokens,
            teacher.temperature if temperature is None else temperature,
            schema,
            sample * teacher.tries + attempt,
        )
        reply = client.ask(request)
        cut = reply.finish == "length"
        try:
            if not cut or schema is not None:  # whole JSON is whole, wherever it was cut; a text may lack its end
                return read(reply.text)
        except ValueError as error:
            fault = " ".join(str(error).split())[:300]
        if cut:
            fault = f"the answer was cut off after {request.max_tokens} tokens; answer more briefly"
        told = f"That answer cannot be used: {fault}. {again}"
        conversation = (*messages, ("assistant", reply.text[:_SHOWN]), ("user", told))
    raise NoAnswer(f"{teacher.tries} answers could not be used, the last because {fault}")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_FENCE = re.compile(r"```[\w+.-]*[ \t]*\n?(.*?)(?:```|$)", re.DOTALL)
_OPENING = re.compile(r"[{\[]")


def read_json(text: str) -> Any:
    """The JSON value in an answer, also where it stands in a fence or among words.

    Raises ValueError where there is none, or where the words hold two that differ.
    """
    text = _without_thoughts(text).strip()
    if not text:
        raise ValueError("the answer is empty")
    fenced = _FENCE.search(text)
    wholes = [text, fenced.group(1).strip()] if fenced else [text]
    faults: list[ValueError] = []
    for whole in wholes:
        try:
            return _DECODER.decode(whole)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        except ValueError as error:
            faults.append(error)
    found = _values_in(text)
    if not found:
        raise ValueError(f"it is not JSON ({faults[-1]})")
    if any(value != found[0] for value in found):
        raise ValueError(f"it holds {len(found)} JSON values that differ; give one alone")
    return found[0]


def _values_in(text: str) -> list[Any]:
    """The objects that stand in a text, or where there are none its arrays; what lies inside of one is part of it."""
    found: list[Any] = []
    place = 0
    for _ in range(_MOST_PLACES):
        opening = _OPENING.search(text, place)
        if opening is None:
            break
        try:
            value, place = _DECODER.raw_decode(text, opening.start())
            found.append(value)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        except ValueError:
            place = opening.end()
    return [value for value in found if isinstance(value, dict)] or found


def _without_thoughts(text: str) -> str:
    """The answer without what a reasoning model wrote to itself; some templates open the thoughts in the prompt."""
    return re.sub(r"^(?:\s*<think>)?.*?</think>", "", text, count=1, flags=re.DOTALL)


class Trust:
    """Counts the items that the teacher answered, and gives up where the first twenty were all in vain."""

    def __init__(self, items: str) -> None:
        self._items, self._lock = items, threading.Lock()
        self.good = self.bad = 0
        self._last = ""

    def gained(self) -> None:
        """One item has a good answer."""
        with self._lock:
            self.good += 1

    def failed(self, reason: str) -> None:
        """One item has none. Raises TeacherIsWrong after twenty of them without a good one."""
        with self._lock:
            self.bad += 1
            self._last = reason
            hopeless = not self.good and self.bad >= HOPELESS
        if hopeless:
            raise self.error()

    def error(self) -> TeacherIsWrong:
        """What to tell where nothing was good."""
        return TeacherIsWrong(
            f"The teacher gave no usable answer to any of {self.bad} {self._items}. The last: {self._last}.\n"
            "Take a larger teacher.model, say more in the instruction, or raise teacher.max_answer_tokens. The answers "
            "so far are kept and are not paid for again."
        )
