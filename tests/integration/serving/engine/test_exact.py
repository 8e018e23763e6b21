"""Greedy answers are llama.cpp's own, whatever shares their batch, their cells or their guesses.

EXACT_REQUESTS sets how many are compared. EXACT_MODEL names another GGUF file than the tiny random one, and EXACT_TIE
what a near tie is there: kernels for quantised weights round their inputs, by another batch to another value.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asking import Asked, submit
from greedy_reference import NEAR_TIE, Reference
from tiny_llama import lora

from serving.engine.constraint import Constraint
from serving.engine.engine import Engine
from serving.engine.request import Finished, Sampling, Text
from serving.engine.scheduler import Limits
from stillroom.files import sha256

REQUESTS = int(os.environ.get("EXACT_REQUESTS", "120"))
MODEL = os.environ.get("EXACT_MODEL")
WAVE, MOST = 30, 20
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"enum": ["event", "spam", "other"]},
        "title": {"type": "string", "maxLength": 10},
        "time": {"type": ["string", "null"], "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    },
    "required": ["category", "title", "time"],
    "additionalProperties": False,
}
NESTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/row"}},
        "total": {"type": "integer", "minimum": -5, "maximum": 120},
    },
    "required": ["rows"],
    "additionalProperties": False,
    "$defs": {"row": {"anyOf": [{"type": "boolean"}, {"type": "number"}, {"enum": ["café", "会议", "…"]}]}},
}
CONSTRAINTS: list[tuple[str, Any] | None] = [
    None,
    None,
    None,
    ("json_schema", SCHEMA),
    ("json_schema", NESTED),
    ("json_schema", {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 5}),
    ("json_schema", {"type": "string", "format": "date"}),
    ("json_object", None),
    ("regex", "[a-z ]{3,12}\\."),
    ("regex", "(yes|no|perhaps)( (yes|no|perhaps)){0,4}"),
    ("regex", "[0-9]{2}:[0-9]{2}( (会议|café|room [A-F]))?"),
    ("lark", 'start: "a" ("b" | "c" start)*\n'),
]
INSTRUCTIONS = ["Read the mail and answer with JSON.\n", "Summarise what is said below in one line.\n", ""]
WORDS = [
    "meeting", "café", "会议", "14:30", "tomorrow", "spam", "offer", "lunch", "noon", "room", "12", "cancelled", "🙂",
    "“quoted”", "x_y", "naïve",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One greedy request, to be compared; `constraint` is a place in CONSTRAINTS, `adapter` a name."""

    text: str
    most: int
    constraint: int
    adapter: str | None
    logprobs: int | None


def drawn(draw: random.Random, said: list[tuple[Case, str]]) -> Case:
    """A request: new, one that was there before, or one that goes on with an answer."""
    kind = draw.random()
    if said and kind < 0.1:
        return draw.choice(said)[0]
    if said and kind < 0.25:
        before, answer = draw.choice(said)
        text = f"{before.text}{answer}\nAnd then?\n"
    elif kind < 0.4:  # what is copied from the prompt is guessed
        text = " ".join(draw.choices(WORDS, k=3)) * draw.randint(2, 6)
    else:
        text = draw.choice(INSTRUCTIONS) + " ".join(draw.choices(WORDS, k=draw.randint(1, 40)))
    adapter = draw.choice([None, None, None, "a", "b"]) if MODEL is None else None
    return Case(
        text[:240],
        draw.choice([1, 2, MOST, MOST, MOST, 2 * MOST]),
        draw.randrange(len(CONSTRAINTS)),
        adapter,
        draw.choice([None] * 9 + [2]),
    )


@pytest.fixture(scope="module")
def gguf(request: pytest.FixtureRequest) -> Path:
    found: Path = Path(MODEL) if MODEL else request.getfixturevalue("tiny_f32")
    return found


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path | None]:
    folder = tmp_path_factory.mktemp("adapters")
    return {None: None, **{name: lora(folder / name, seed) for seed, name in enumerate("ab")}}


@pytest.fixture(scope="module")
def engines(gguf: Path, adapters: dict[str | None, Path | None]) -> Iterator[list[Engine]]:
    """One with room, and one whose cache is always full: answers are interrupted there and begun again."""
    with ExitStack() as stack:
        made = []
        for cells in (8192, 256):
            engine = Engine(gguf, Limits(6, context_tokens=240), cells=cells, sha256=sha256(gguf))
            stack.callback(engine.close)
            for name, path in adapters.items():
                if MODEL is None and name is not None and path is not None:
                    engine.load_adapter(name, path)
            made.append(engine)
        yield made


@pytest.fixture(scope="module")
def alone(gguf: Path) -> Iterator[Reference]:
    reference = Reference(gguf, bound=float(os.environ.get("EXACT_TIE", NEAR_TIE)))
    yield reference
    reference.close()


@pytest.fixture(scope="module")
def alone_with_own_kernels(gguf: Path) -> Iterator[Reference]:
    reference = Reference(gguf, own=True)
    yield reference
    reference.close()


def test_greedy_answers_in_any_batch(
    engines: list[Engine],
    alone: Reference,
    alone_with_own_kernels: Reference,
    adapters: dict[str | None, Path | None],
) -> None:
    """Each is llama.cpp's own answer, or leaves it where two logits all but tie. And then it is what our kernels say
    one token at a time, so that the tie, and nothing in the engine, is the cause."""
    draw = random.Random(0)
    constraints = [None if one is None else engines[0].compile(*one) for one in CONSTRAINTS]
    said: list[tuple[Case, str]] = []
    known: dict[Case, tuple[int, ...]] = {}
    ties, worst, worst_own = Counter[int](), 0.0, 0.0
    for wave in range(-(-REQUESTS // WAVE)):
        engine = engines[wave % 2]
        cases = [drawn(draw, said) for _ in range(min(WAVE, REQUESTS - wave * WAVE))]
        asked: list[Asked] = []
        with pytest.MonkeyPatch.context() as patch:
            if wave % 3 == 2:  # every guess that is found is computed, whether it pays or not
                patch.setattr("serving.engine.draft.Drafter.worth", lambda self, guesses, *_: len(guesses))
            for number, case in enumerate(cases):
                # Some others in the batch draw, are cancelled or end early, and must leave no trace.
                if number % 10 == 9:
                    other = submit(engine, case.text, 40, sampling=Sampling(temperature=1.0))
                    other.ticket.cancel()  # type: ignore[union-attr]
                asked.append(_ask(engine, case, constraints[case.constraint]))
                if wave % 5 == 4:  # nobody beside it
                    asked[-1].wait()
            for one in asked:
                one.wait()
        for case, one in zip(cases, asked, strict=True):
            assert isinstance(one.end, Finished), (case, one.end)
            prompt, constraint = engine.tokenize(case.text), constraints[case.constraint]
            adapter = adapters[case.adapter]
            if case not in known:
                known[case], _ = alone.greedy(prompt, case.most, constraint, adapter)
            if one.tokens != known[case]:
                asked_of = prompt, one.tokens, one.end.reason == "stop", constraint, adapter
                verdict, own = alone.judge(*asked_of), alone_with_own_kernels.judge(*asked_of)
                assert verdict.right and own.right, f"{case} {verdict} {own}: {one.tokens}, alone {known[case]}"
                ties[verdict.ties] += 1
                worst, worst_own = max(worst, verdict.gap), max(worst_own, own.gap)
            said.append((case, one.text))
    parted = sum(ties.values())
    print(
        f"{REQUESTS} greedy answers: {REQUESTS - parted} are llama.cpp's own, {parted} leave it where two logits were "
        f"{worst:.4f} apart at most, with our kernels {worst_own:.4f} (by such places: {dict(sorted(ties.items()))})"
    )
    assert parted <= REQUESTS // 4
    full, roomy = engines[1].stats(), engines[0].stats()
    print(f"with room: {roomy}\nwith a full cache: {full}")
    assert roomy.cached_prompt_tokens and roomy.forced_tokens and roomy.accepted_tokens
    assert full.preemptions or REQUESTS < 1000


def _ask(engine: Engine, case: Case, constraint: Constraint | None) -> Asked:
    sampling = Sampling(logprobs=case.logprobs)
    return submit(engine, case.text, case.most, constraint=constraint, adapter=case.adapter, sampling=sampling)


def test_the_comparison_sees_a_wrong_answer(engine: Engine, reference: Reference, ask: Callable[..., Any]) -> None:
    """One wrong token, an answer cut short, one that goes on: none of them passes for a near tie."""
    prompt, constraint = engine.tokenize("Mail: lunch at noon?\n"), engine.compile("json_schema", SCHEMA)
    right, _ = reference.greedy(prompt, MOST, constraint)
    assert reference.judge(prompt, right, len(right) < MOST, constraint).right
    for wrong, ended in ((right[:-3], True), ((*right[:5], 9, *right[6:]), True), ((*right, 9), True), ((9,), False)):
        assert not reference.judge(prompt, wrong, ended, constraint).right
    text = reference.text(right)
    assert reference.judge_text(prompt, text, MOST, constraint).right
    for spoilt in (text[:-1], text + "x", text[:3] + "x" + text[4:]):
        assert not reference.judge_text(prompt, spoilt, MOST, constraint).right


def test_guesses_change_nothing_where_every_token_is_told(
    engine: Engine, reference: Reference, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-probabilities are wanted of forced tokens too, also of those behind a right guess; a neighbour watches."""
    monkeypatch.setattr("serving.engine.draft.Drafter.worth", lambda self, guesses, cost, answering: len(guesses))
    for schema in (SCHEMA, NESTED):
        constraint, prompt = engine.compile("json_schema", schema), engine.tokenize("Mail: lunch at noon, room 12?\n")
        for most in (60, 60, 60, 9, 10, 11):
            told = ask(prompt, most, constraint=constraint, sampling=Sampling(logprobs=2))
            beside = ask("spam spam lunch at 14:30, lunch at", most)
            for one, held, tokens in ((told, constraint, prompt), (beside, None, None)):
                tokens = tokens or engine.tokenize("spam spam lunch at 14:30, lunch at")
                assert reference.judge(tokens, one.wait().tokens, one.end.reason == "stop", held).right
                assert len(one.tokens) == one.end.usage.completion <= most
            logprobs = [entry for event in told.events if isinstance(event, Text) for entry in event.logprobs]
            assert tuple(entry.token for entry in logprobs) == told.tokens


def test_guesses_change_nothing(
    engine: Engine, reference: Reference, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every guess that is found is computed, whether it pays or not."""
    monkeypatch.setattr("serving.engine.draft.Drafter.worth", lambda self, guesses, cost, answering: len(guesses))
    constraint, accepted = engine.compile("json_schema", SCHEMA), 0
    for number in range(12):
        prompt = engine.tokenize(f"spam spam spam lunch at 14:30, {number} lunch at 14:30, ")
        asked = ask(prompt, MOST, constraint=constraint).wait()
        assert reference.judge(prompt, asked.tokens, asked.end.reason == "stop", constraint).right
        accepted += asked.end.usage.accepted
    assert accepted > 0
    repeating = ask("Hello", 24, sampling=Sampling(logit_bias={1234: 100})).wait()
    assert repeating.tokens == (1234,) * 24 and repeating.end.usage.accepted > 8
