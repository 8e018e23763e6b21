"""Models of other kinds than the packaged one, through the whole server: their vocabularies, templates and caches."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("gguf", reason="the extra `train` is not installed")

import openai
from pydantic import BaseModel, Field
from scripted import Live, live, saying
from tiny_gguf import bert, llama, mamba

from serving.engine.engine import Engine
from serving.engine.request import Request, Sampling, Text
from serving.engine.scheduler import Limits
from serving.server.backend import EngineBackend
from stillroom.files import sha256

GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + message['role'] + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
SYSTEM: Any = {"role": "system", "content": "Be brief."}
HELLO: Any = {"role": "user", "content": "Say hello."}


class Word(BaseModel):
    """Bounded, for a model of chance writes a string of any length."""

    word: str = Field(max_length=12)
    sign: str = Field(max_length=12)


@contextmanager
def served(gguf: Path) -> Iterator[tuple[Live, openai.OpenAI]]:
    engine = Engine(gguf, Limits(slots=4, context_tokens=1000), sha256=sha256(gguf))
    with live(gguf.parent, saying(""), engine=EngineBackend(engine)) as server:
        yield server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)
    engine.close()  # the server did already, as after a drain whose grace was over; nothing is freed twice


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, openai.OpenAI]]:
    with served(llama(tmp_path_factory.mktemp("gemma") / "tiny.gguf", GEMMA)) as both:
        yield both


def test_instructions_where_the_template_has_no_place_for_them(gemma: tuple[Live, openai.OpenAI]) -> None:
    _, client = gemma

    def tokens(*turns: Any) -> int:
        answer = client.chat.completions.create(model="tiny", messages=list(turns), max_tokens=2)
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    assert tokens(SYSTEM, HELLO) == tokens({"role": "user", "content": "Be brief.\n\nSay hello."}) > tokens(HELLO)
    with pytest.raises(openai.BadRequestError, match="Roles must alternate"):
        tokens(HELLO, HELLO)


def test_signs_that_are_many_byte_tokens(gemma: tuple[Live, openai.OpenAI]) -> None:
    """The vocabulary has no such sign: each is three tokens of a byte, forced, streamed whole, told as bytes."""
    _, client = gemma
    schema = {"type": "object", "properties": {"sign": {"enum": ["日本 ä🙂"]}}, "required": ["sign"],
              "additionalProperties": False}  # fmt: skip
    options: Any = {
        "model": "tiny", "messages": [SYSTEM, HELLO], "temperature": 0, "logprobs": True,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }  # fmt: skip
    choice = client.chat.completions.create(**options).choices[0]
    assert json.loads(choice.message.content or "") == {"sign": "日本 ä🙂"} and choice.finish_reason == "stop"
    assert choice.logprobs is not None and choice.logprobs.content is not None
    told = b"".join(bytes(one.bytes or []) for one in choice.logprobs.content)
    assert told.decode() == choice.message.content
    parts = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**options, stream=True)]
    assert "".join(parts) == choice.message.content and "\ufffd" not in "".join(parts)
    filled = client.chat.completions.parse(
        model="tiny", messages=[HELLO], response_format=Word, max_tokens=300, logit_bias={"2": -100}
    ).choices[0]
    assert filled.finish_reason == "stop" and isinstance(filled.message.parsed, Word)


def test_functions_and_their_results(gemma: tuple[Live, openai.OpenAI]) -> None:
    """Several at once, and what they gave back, for a template that knows of neither."""
    _, client = gemma
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": {
            "type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"],
            "additionalProperties": False}}}
        for name in ("first", "second")
    ]  # fmt: skip
    named = {"type": "function", "function": {"name": "second"}}
    answer = client.chat.completions.create(
        model="tiny",
        messages=[HELLO],
        tools=tools,
        tool_choice=named,
        temperature=0,  # type: ignore[arg-type]
    ).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.tool_calls is not None
    (call,) = answer.message.tool_calls
    assert call.type == "function" and call.function.name == "second"
    # The answer goes back as the client's library has it, with all its fields.
    turns: Any = [HELLO, answer.message, {"role": "tool", "tool_call_id": call.id, "content": "4"}]
    following = client.chat.completions.create(model="tiny", messages=turns, tools=tools, max_tokens=3)
    assert following.choices[0].finish_reason in ("length", "stop", "tool_calls")


def test_a_text_of_its_own_begins_with_the_mark(gemma: tuple[Live, openai.OpenAI]) -> None:
    _, client = gemma
    counts = []
    for prompt in ("the ship", "<s>the ship"):
        answer = client.completions.create(model="tiny", prompt=prompt, max_tokens=1, echo=True)
        assert answer.usage is not None and answer.choices[0].text.startswith(prompt)
        counts.append(answer.usage.prompt_tokens)
    ids = client.completions.create(model="tiny", prompt=[1], max_tokens=1, echo=True)
    assert ids.choices[0].text.startswith("<s>") and counts[0] == counts[1]


def test_a_vocabulary_without_ends_and_a_model_without_template(tmp_path: Path) -> None:
    with served(llama(tmp_path / "bare.gguf", None, ends=False)) as (_, client):
        with pytest.raises(openai.BadRequestError, match="no chat template: use /v1/completions"):
            client.chat.completions.create(model="tiny", messages=[HELLO])
        answer = client.completions.create(model="tiny", prompt="the ship", max_tokens=5, temperature=0)
        assert answer.choices[0].finish_reason == "length" and answer.usage is not None
        held = client.completions.create(
            model="tiny", prompt="the", max_tokens=20, extra_body={"structured_outputs": {"regex": "[a-c]{3}"}}
        ).choices[0]
        assert len(held.text) == 3 and held.finish_reason == "stop"


def test_an_encoder_makes_embeddings_and_nothing_else(tmp_path: Path) -> None:
    with served(bert(tmp_path / "bert.gguf")) as (_, client):
        answer = client.embeddings.create(model="tiny", input=["the ship", "the sea is free", "the ship"])
        ship, sea, again = (np.array(one.embedding) for one in answer.data)
        assert answer.usage.prompt_tokens == 4 + 6 + 4  # each with [CLS] and [SEP]
        assert ship.shape == (64,) and np.allclose(ship, again, atol=1e-6) and not np.allclose(ship, sea, atol=1e-3)
        plain = client.embeddings.create(model="tiny", input="the ship", encoding_format="float").data[0]
        assert np.allclose(plain.embedding, ship, atol=1e-6)
        with pytest.raises(openai.BadRequestError, match="between 1 and 1000 tokens"):
            client.embeddings.create(model="tiny", input="ship " * 1001)
        with pytest.raises(openai.BadRequestError, match="embeddings only"):
            client.chat.completions.create(model="tiny", messages=[HELLO])
        with pytest.raises(openai.BadRequestError, match="embeddings only"):
            client.completions.create(model="tiny", prompt="the")


def test_a_model_with_a_state_answers_in_company_as_it_does_alone(tmp_path: Path) -> None:
    """Its past cannot be cut or shared at any place, so nothing is guessed and no prefix is taken over."""
    words = "the ship is a ring er en "
    prompts = [words * 6 + word for word in ("one", "two", "three", "four", "five")]
    with served(mamba(tmp_path / "mamba.gguf")) as (_, client):

        def ask(several: list[str]) -> list[str]:
            answer = client.completions.create(model="tiny", prompt=several, max_tokens=12, temperature=0)
            assert answer.usage is not None and answer.usage.prompt_tokens_details.cached_tokens == 0  # type: ignore[union-attr]
            return [choice.text for choice in answer.choices]

        together = ask(prompts)
        assert [ask([prompt])[0] for prompt in prompts] == together and len(set(together)) > 1
        schema = {"type": "object", "properties": {"a": {"enum": ["x", "ä"]}}, "required": ["a"]}
        held = client.chat.completions.create(
            model="tiny", messages=[HELLO], response_format={"type": "json_schema", "json_schema": {
                "name": "x", "schema": {**schema, "additionalProperties": False}}},
        )  # fmt: skip
        assert json.loads(held.choices[0].message.content or "")["a"] in ("x", "ä")


def test_answers_go_on_between_texts_to_embed(tmp_path: Path) -> None:
    engine = Engine(llama(tmp_path / "tiny.gguf", None), Limits(slots=2, context_tokens=900), cells=2048)
    over = threading.Event()
    ticket = engine.submit(
        Request(tuple(engine.tokenize_whole("the ship")), 800, sampling=Sampling(logit_bias={2: -100.0, 260: -100.0})),
        lambda event: None if isinstance(event, Text) else over.set(),
    )
    jobs = [engine._scheduler.run_between_steps(lambda: engine._scheduler._counts.steps) for _ in range(6)]
    steps = [job.result(60) for job in jobs]
    ticket.cancel()
    assert over.wait(60) and steps == sorted(set(steps))
    engine.close()
