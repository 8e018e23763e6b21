"""Requests to a running engine: what they say, how they end, and that they do not disturb each other."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from serving.engine.engine import Engine
from serving.engine.request import (
    DeadlineExceeded,
    EngineStopped,
    Failed,
    Finished,
    InvalidRequest,
    Overloaded,
    Request,
    Sampling,
    Text,
    UnsupportedSchema,
)
from serving.engine.scheduler import Limits

Ask = Callable[..., Any]
NEAR_TIE = 0.02  # see test_exact
SCHEMA = {
    "type": "object",
    "properties": {"category": {"enum": ["event", "spam", "other"]}, "title": {"type": "string", "maxLength": 12}},
    "required": ["category", "title"],
    "additionalProperties": False,
}


def test_an_answer_under_a_schema(engine: Engine, ask: Ask) -> None:
    asked = ask("Mail: lunch at noon?\n", 64, constraint=engine.compile("json_schema", SCHEMA)).wait()
    assert set(json.loads(asked.text)) == {"category", "title"}
    assert asked.end.reason == "stop" and engine.detokenize(asked.tokens) == asked.text
    usage = asked.end.usage
    assert usage.completion == len(asked.tokens) and usage.forced >= 4
    assert usage.prompt == len(engine.tokenize("Mail: lunch at noon?\n"))
    assert min(usage.queue_seconds, usage.prefill_seconds, usage.decode_seconds) >= 0


def test_an_answer_that_nobody_reads_along_is_told_at_once(engine: Engine, ask: Ask) -> None:
    for options in ({}, {"constraint": engine.compile("json_schema", SCHEMA)}):
        streamed, whole = ask("Hello", 12, **options).wait(), ask("Hello", 12, stream=False, **options).wait()
        assert len(streamed.events) > 2 == len(whole.events)
        assert (whole.text, whole.tokens, whole.end.reason) == (streamed.text, streamed.tokens, streamed.end.reason)


@pytest.mark.parametrize(
    ("kind", "content", "check"),
    [
        ("regex", "[0-9]{4}-[0-9]{2}", lambda text: len(text) == 7 and text[4] == "-"),
        ("lark", 'start: "yes" | "no"', lambda text: text in ("yes", "no")),
        ("json_schema", {"enum": [1, 2]}, lambda text: text in "12"),
        ("json_schema", {"const": {"a": [True]}}, lambda text: text == '{"a":[true]}'),
    ],
)
def test_every_kind_of_constraint(
    engine: Engine, ask: Ask, kind: str, content: Any, check: Callable[[str], bool]
) -> None:
    asked = ask("Say it.\n", constraint=engine.compile(kind, content)).wait()
    assert asked.end.reason == "stop" and check(asked.text)


def test_a_json_object_is_one_as_far_as_it_goes(engine: Engine, ask: Ask) -> None:
    assert ask("Go.\n", constraint=engine.compile("json_object")).wait().text.startswith("{")


def test_max_tokens_is_exact(engine: Engine, ask: Ask) -> None:
    for most in (1, 2, 7):
        for options in ({}, {"constraint": engine.compile("json_schema", SCHEMA)}):
            asked = ask("Hello", most, **options).wait()
            assert len(asked.tokens) == asked.end.usage.completion == most and asked.end.reason == "length"


def test_a_stop_text_ends_the_answer(engine: Engine, ask: Ask) -> None:
    constraint = engine.compile("json_schema", {"const": "one two three four"})
    asked = ask("Hello there", 20, constraint=constraint, stop=("never said", "o three")).wait()
    assert asked.text == '"one tw' and asked.end.reason == "stop"


def test_logprobs_stand_beside_every_token_and_change_no_answer(engine: Engine, ask: Ask, reference: Any) -> None:
    constraint = engine.compile("json_schema", SCHEMA)
    plain = ask("Mail: lunch?\n", 64, constraint=constraint).wait()
    asked = ask("Mail: lunch?\n", 64, constraint=constraint, sampling=Sampling(logprobs=3)).wait()
    _, lead = reference.greedy(engine.tokenize("Mail: lunch?\n"), 64, constraint)
    assert asked.tokens == plain.tokens or lead < NEAR_TIE
    told = [one for event in asked.events if isinstance(event, Text) for one in event.logprobs]
    assert tuple(one.token for one in told) == asked.tokens
    assert all(one.logprob <= 0 and len(one.top) == 3 and one.top[0][1] >= one.logprob - 1e-6 for one in told)


def test_the_same_seed_says_the_same_alone_and_among_others(ask: Ask) -> None:
    samplings = [Sampling(temperature=1.2, top_p=0.95, seed=seed) for seed in range(8)]
    alone = [ask("Tell me a story.", 8, sampling=sampling).wait().tokens for sampling in samplings]
    others = [ask(f"Other {n}", sampling=Sampling(temperature=1, seed=n)) for n in range(5)]
    again = [ask("Tell me a story.", 8, sampling=sampling) for sampling in samplings]
    # A near tie may part one of them; another draw would part them all.
    assert sum(one.wait().tokens == tokens for one, tokens in zip(again, alone, strict=True)) >= 6
    assert len({other.wait().tokens for other in others}) == 5 and len(set(alone)) == 8


def test_a_bias_forces_and_bans(ask: Ask) -> None:
    favourite = ask("Hello", 1).wait().tokens[0]
    assert ask("Hello", 1, sampling=Sampling(logit_bias={favourite: -100})).wait().tokens[0] != favourite
    assert ask("Hello", 3, sampling=Sampling(logit_bias={1234: 100})).wait().tokens == (1234,) * 3


def test_cancelled_before_the_next_step(ask: Ask) -> None:
    asked = ask("Count without end.", 900)
    while not asked.events:
        time.sleep(0.005)
    asked.ticket.cancel()
    assert asked.wait().end.reason == "cancelled" and len(asked.tokens) < 900


def test_cancelled_in_the_queue(engine: Engine, ask: Ask) -> None:
    busy = [ask("Count without end.", 900) for _ in range(engine.limits.slots)]
    queued = ask("Me too.", 900)
    queued.ticket.cancel()
    assert queued.wait().end.reason == "cancelled" and queued.tokens == ()
    for one in busy:
        one.ticket.cancel()
        one.wait()


def test_a_deadline_ends_a_queued_and_a_running_request(engine: Engine, ask: Ask) -> None:
    soon = time.monotonic() + 0.4
    running = [ask("Count without end.", 1000, deadline=soon) for _ in range(engine.limits.slots)]
    queued = ask("Me too.", 900, deadline=soon)
    ends = [one.wait().end for one in (*running, queued)]
    assert all(isinstance(end, Failed) and isinstance(end.error, DeadlineExceeded) for end in ends)
    assert [end.error.queued for end in ends] == [False] * len(running) + [True]


def test_a_long_prompt_does_not_stop_the_answers_under_way(engine: Engine, ask: Ask) -> None:
    answering = ask("Count without end.", 300)
    while not answering.events:
        time.sleep(0.002)
    long = ask([100 + n % 1000 for n in range(900)], 1)
    before = len(answering.events)
    long.wait()
    assert len(answering.events) > before + 1  # it was fed in parts, and each step said something
    answering.ticket.cancel()
    answering.wait()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ()}, "empty"),
        ({"prompt": (1,) * 1024}, "1024 tokens"),
        ({"prompt": (-1,)}, "vocabulary"),
        ({"prompt": (1,), "max_tokens": 0}, "max_tokens"),
        ({"prompt": (1,), "adapter": "nobody"}, "nobody"),
        ({"prompt": (1,), "sampling": Sampling(temperature=-1)}, "temperature"),
        ({"prompt": (1,), "sampling": Sampling(logit_bias={10**6: 1})}, "vocabulary"),
    ],
)
def test_what_can_never_be_answered_is_refused(engine: Engine, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        engine.submit(Request(**{"max_tokens": 4} | options), print)


def test_a_client_that_raises_harms_nobody_else(engine: Engine, ask: Ask) -> None:
    told = threading.Event()

    def broken(event: object) -> None:
        told.set()
        raise OSError("gone")

    engine.submit(Request(tuple(engine.tokenize("Hello")), 20), broken)
    assert isinstance(ask("Hello").wait().end, Finished) and told.wait(5)


def test_the_heart_beats_and_the_figures_add_up(engine: Engine, ask: Ask) -> None:
    while engine.stats().running:
        time.sleep(0.05)
    before = engine.stats()
    asked = [ask(f"Say {n}", 5) for n in range(10)]
    total = sum(one.wait().end.usage.completion for one in asked)
    time.sleep(0.6)
    after = engine.stats()
    assert after.generation_tokens - before.generation_tokens == total
    assert sum(after.finished.values()) - sum(before.finished.values()) == 10
    assert after.running == after.waiting == 0 and engine.silent_for() < 5


def test_the_queue_is_bounded_and_drained(tiny_gguf: Any) -> None:
    engine = Engine(tiny_gguf, Limits(slots=1, context_tokens=512, max_num_queued_reqs=2), cells=1024)
    events: list[Any] = []
    prompt = tuple(engine.tokenize("Count."))
    for _ in range(3):
        engine.submit(Request(prompt, 30), events.append)
    with pytest.raises(Overloaded, match="busy") as refused:
        engine.submit(Request(prompt, 30), events.append)
    assert refused.value.reason == "queued_requests" and 1 <= refused.value.retry_after <= 60
    assert engine.drain(30)
    assert len([event for event in events if isinstance(event, Finished)]) == 3
    with pytest.raises(Overloaded) as refused:
        engine.submit(Request(prompt, 30), events.append)
    assert refused.value.reason == "draining"
    engine.close()
    with pytest.raises(EngineStopped):
        engine.submit(Request(prompt, 1), events.append)


def test_closing_tells_everybody(tiny_gguf: Any) -> None:
    engine = Engine(tiny_gguf, Limits(slots=1, context_tokens=512, max_num_queued_tokens=40), cells=1024)
    events: list[Any] = []
    for _ in range(3):
        engine.submit(Request(tuple(engine.tokenize("Count without end.")), 400), events.append)
    with pytest.raises(Overloaded) as refused:
        engine.submit(Request((1,) * 40, 400), events.append)
    assert refused.value.reason == "queued_tokens"
    engine.close()
    assert len([event for event in events if isinstance(event, Failed)]) == 3


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("json_schema", {"not": {"type": "string"}}, "not"),
        ("json_schema", {"$ref": "http://example.com/schema"}, "example.com"),
        ("json_schema", {"enum": []}, "Unsatisfiable"),
        ("json_schema", {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "cannot enforce"),
        ("json_schema", {"type": "array", "items": {"const": 1}, "minItems": 10**7}, "Too many items"),
        ("lark", 'start: start "a"', "nothing that ends can be said under it$"),
        ("json_schema", {"x-guidance": {"lenient": True}, "not": {}}, "not"),
        ("json_schema", [1], "object"),
        ("json_schema", {"enum": ["x" * 300_000]}, "bytes"),
        ("regex", "(", "cannot enforce"),
        ("lark", "start: %%%", "cannot enforce"),
        ("xml", "", "xml"),
    ],
)
def test_what_cannot_be_enforced_is_refused(engine: Engine, kind: str, content: Any, message: str) -> None:
    for _ in range(2):  # from the compiler, and from what it remembers
        with pytest.raises(UnsupportedSchema, match=message):
            engine.compile(kind, content)


def test_bombs_are_refused_and_nothing_else_waits(engine: Engine) -> None:
    deep: Any = {"type": "string"}
    for _ in range(5000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(UnsupportedSchema, match="deep"):
        engine.compile("json_schema", deep)
    known = engine.compile("json_schema", SCHEMA)
    patterns = {"type": "string", "allOf": [{"pattern": f".*a.{{{n}}}b.*"} for n in range(1, 29)]}

    def explode() -> None:
        with suppress(UnsupportedSchema):
            engine.compile("json_schema", patterns)

    bomb = threading.Thread(target=explode)
    bomb.start()
    time.sleep(0.2)
    start = time.monotonic()
    assert engine.compile("json_schema", SCHEMA) is known and bomb.is_alive()
    assert time.monotonic() - start < 2
    bomb.join(60)
    with pytest.raises(UnsupportedSchema, match=r"5 s or 1024 MiB"):
        engine.compile("json_schema", patterns)
