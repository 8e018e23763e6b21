"""What can be wrong with the teacher beside types and bounds. No message repeats a value that may be a secret."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from stillroom.recipe.faults import Finding, Place
from stillroom.recipe.model import PACKAGED_MODELS
from stillroom.recipe.schema import fields
from stillroom.recipe.teacher import PACKAGED_ENDPOINT, DistilledSource

FACTS = ("answer", "citation", "question", "kind", "file", "page", "headings", "score")
"""What a distilled pair holds, and so what an answer of the task can be made of."""

_QUESTION_ROOM = 300
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def check_teacher(raw: dict[str, Any]) -> Iterator[Finding]:
    """The endpoint's address, the names of the keys, and prices for a budget in money."""
    teacher = raw.get("teacher")
    if not isinstance(teacher, dict):
        return
    url = teacher.get("base_url", PACKAGED_ENDPOINT)
    if isinstance(url, str):
        yield from _address(url, teacher)
    names = teacher.get("keys_env")
    for index, name in enumerate(names if isinstance(names, list) else []):
        if isinstance(name, str) and not _VARIABLE.fullmatch(name):
            message = (
                "is no variable's name (it is not shown, for it may be a key); write the name of an environment "
                "variable, such as TEACHER_KEY, and keep the key itself out of the recipe"
            )
            yield Finding(("teacher", "keys_env", index), message)
    yield from _prices(teacher)


def _address(url: str, teacher: dict[str, Any]) -> Iterator[Finding]:
    place = ("teacher", "base_url")
    if url == PACKAGED_ENDPOINT:
        model = teacher.get("model", PACKAGED_MODELS[0])
        if isinstance(model, str) and model not in PACKAGED_MODELS:
            message = f"the packaged teacher is {', '.join(PACKAGED_MODELS)}; for another model write its base_url too"
            yield Finding(("teacher", "model"), message)
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.username or parts.password or parts.query:
        yield Finding(place, "holds a user, a password or a query, which may be secret; put keys into keys_env")
    elif parts.scheme not in ("http", "https") or not host:
        message = "must be `packaged` or an address such as https://host/v1"
        yield Finding(place, message if "@" in url else f"{message}, not '{url}'")
    elif parts.path.rstrip("/").endswith(("/completions", "/responses")):
        yield Finding(place, "ends too late; write it up to /v1, without /chat/completions")
    if "model" not in teacher:
        yield Finding(place, "names an endpoint without its model; write teacher.model beside it", of_key=True)


def _prices(teacher: dict[str, Any]) -> Iterator[Finding]:
    budget, prices = teacher.get("budget"), teacher.get("prices", {})
    if not isinstance(budget, dict) or budget.get("money") is None or not isinstance(prices, dict):
        return
    used = [teacher.get("model", PACKAGED_MODELS[0]), teacher.get("judge_model")]
    for model in used:
        if isinstance(model, str) and model not in prices:
            message = f"money is counted by prices, and '{model}' has none; write teacher.prices for it"
            yield Finding(("teacher", "budget", "money"), message)


def check_judge(raw: dict[str, Any]) -> Iterator[Finding]:
    """A judge compares labels with the model's own answers, so these must be asked for."""
    dpo = raw.get("dpo")
    if isinstance(dpo, dict) and dpo.get("judge") is not None and dpo.get("own_errors") is False:
        yield Finding(
            ("dpo", "judge"), "there is nothing to judge without the model's own answers; write own_errors: true"
        )


def check_distilled(raw: dict[str, Any], schema: dict[str, Any] | None) -> Iterator[Finding]:
    """Whether a distilled source can give answers of the task, and texts that are not cut."""
    data = raw.get("data")
    sources = data.get("sources") if isinstance(data, dict) else None
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(source, dict) and source.get("kind") == "distilled":
            yield from _sizes(raw, source, ("data", "sources", index))
            if schema is not None:
                yield from _fits(schema, source, ("data", "sources", index))


def _sizes(raw: dict[str, Any], source: dict[str, Any], place: Place) -> Iterator[Finding]:
    size = source.get("chunk_characters", DistilledSource.model_fields["chunk_characters"].default)
    if not isinstance(size, int):
        return
    cleaning = raw["data"].get("cleaning")
    limit = cleaning.get("max_characters", 2000) if isinstance(cleaning, dict) else 2000
    if source.get("show_passage", True) and isinstance(limit, int) and limit < size + _QUESTION_ROOM:
        message = (
            f"passages of {size} characters with their questions would be cut at {limit}; write {size + _QUESTION_ROOM}"
        )
        yield Finding(("data", "cleaning", "max_characters"), message)


def _fits(schema: dict[str, Any], source: dict[str, Any], place: Place) -> Iterator[Finding]:
    infos = {info.name: info for info in fields(schema)}
    if "answer" not in infos:
        yield Finding(("output_schema",), "a distilled pair has an answer; write a property `answer`", of_key=True)
    for name, info in infos.items():
        if name not in FACTS and info.required:
            message = f"a distilled pair has no '{name}'; it has {', '.join(FACTS)}"
            yield Finding(("output_schema", "properties", name), message, of_key=True)
    wanted = source.get("questions", DistilledSource.model_fields["questions"].default)
    for name in ("answer", "citation"):
        if isinstance(wanted, list) and "not-in-text" in wanted and name in infos and not infos[name].nullable:
            message = (
                f'a question of kind not-in-text has no {name}; write type: [string, "null"], or leave the kind out'
            )
            yield Finding(("output_schema", "properties", name), message, of_key=True)
