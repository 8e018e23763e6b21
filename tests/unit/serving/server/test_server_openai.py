"""OpenAI's paths: what comes of a body, how it is answered whole and in a stream, and how it is refused."""

import base64
import json
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from scripted import Emit, Live, live, saying, until

from serving.engine.request import (
    ConstraintFailed,
    DeadlineExceeded,
    Failed,
    Overloaded,
    Request,
    Text,
    UnknownAdapter,
    Usage,
)
from serving.server import responses

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("served"), saying("")) as server:
        yield server


@pytest.fixture
def server(started: Live) -> Live:
    started.backend.reset(saying("Hi ä!"))
    return started


def events(answer: str) -> list[Any]:
    """The objects of a stream; the mark at its end stays text."""
    data = [line.removeprefix("data: ") for line in answer.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in data]


def test_a_whole_answer(server: Live) -> None:
    answer = server.post(CHAT, {**HELLO, "logprobs": True, "top_logprobs": 1})
    assert answer.status_code == 200
    body = responses.ChatCompletion.model_validate(answer.json())
    (choice,) = body.choices
    assert (choice.message.content, choice.finish_reason) == ("Hi ä!", "stop")
    assert body.usage.completion_tokens == 5 and body.usage.prompt_tokens_details.cached_tokens == 3  # type: ignore[union-attr]
    assert choice.logprobs is not None and choice.logprobs.content is not None
    # "ä" is two tokens here: neither is a character, and their bytes say what they are.
    assert [one.bytes for one in choice.logprobs.content][3:5] == [[0xC3], [0xA4]]
    assert "".join(map(chr, server.backend.requests[0].prompt)) == "<system>Be brief.<user>Hello<assistant>"


def test_a_stream_is_the_whole_answer_in_pieces(server: Live) -> None:
    answer = server.post(CHAT, {**HELLO, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, last, done = events(answer.text)
    assert done == "[DONE]"
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 5
    assert all(chunk["usage"] is None for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hi ä!"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({chunk["id"] for chunk in [*chunks, last]}) == 1


def test_n_answers_differ_in_their_seed_alone(server: Live) -> None:
    answer = server.post(CHAT, {**HELLO, "n": 3, "seed": 7})
    assert [choice["index"] for choice in answer.json()["choices"]] == [0, 1, 2]
    assert sorted(request.sampling.seed or 0 for request in server.backend.requests) == [7, 8, 9]
    assert answer.json()["usage"]["completion_tokens"] == 15


def test_how_the_next_token_is_chosen_reaches_the_engine(server: Live) -> None:
    options = {
        "temperature": 0.5, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "presence_penalty": 1, "frequency_penalty": -1,
        "repetition_penalty": 1.1, "logit_bias": {"65": -100}, "seed": 3, "stop": ["\n", ""],
        "max_completion_tokens": 9,
    }  # fmt: skip
    assert server.post(CHAT, {**HELLO, **options}).status_code == 200
    (request,) = server.backend.requests
    assert request.max_tokens == 9 and request.stop == ("\n",)
    told = {name: getattr(request.sampling, name) for name in options if hasattr(request.sampling, name)}
    assert told == {**{name: options[name] for name in told}, "logit_bias": {65: -100.0}}


def test_defaults(server: Live) -> None:
    server.post(CHAT, HELLO)
    (request,) = server.backend.requests
    assert request.sampling.temperature == 1 and request.constraint is None
    assert request.max_tokens == 1000 - len(request.prompt)


@pytest.mark.parametrize(
    ("more", "compiled"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "null"}}}},
         ("json_schema", {"type": "null"})),
        ({"response_format": {"type": "json_object"}}, ("json_object", None)),
        ({"structured_outputs": {"regex": "[ab]"}}, ("regex", "[ab]")),
        ({"structured_outputs": {"grammar": "start: A"}}, ("lark", "start: A")),
        ({"structured_outputs": {"choice": ["a.b", "c"]}}, ("regex", r"a\.b|c")),
        ({"structured_outputs": {"json": {"type": "null"}}}, ("json_schema", {"type": "null"})),
    ],
)  # fmt: skip
def test_answers_held_to_something(server: Live, more: dict[str, Any], compiled: Any) -> None:
    assert server.post(CHAT, {**HELLO, **more}).status_code == 200
    assert server.backend.compiled == [compiled]
    assert server.backend.requests[0].constraint is not None


def taking(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool whose arguments follow a schema."""
    return {"type": "function", "function": {"name": "odd", "parameters": parameters}}


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": "gpt"}, 404, "model_not_found", "model"),
        ({"foo": 1}, 400, "unknown_parameter", "foo"),
        ({"messages": None}, 400, "invalid_value", "messages"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"temperature": "0.5"}, 400, "invalid_value", "temperature"),
        ({"temperature": 2.1}, 400, "invalid_value", "temperature"),
        ({"n": 0}, 400, "invalid_value", "n"),
        ({"top_logprobs": 2}, 400, "invalid_value", None),
        ({"stream_options": {}}, 400, "invalid_value", None),
        ({"tool_choice": "required"}, 400, "invalid_value", None),
        ({"logit_bias": {"x": 1}}, 400, "invalid_value", "logit_bias"),
        ({"logit_bias": {"9" * 5000: 1}}, 400, "invalid_value", "logit_bias"),
        ({"logit_bias": {"999": 1}}, 400, "invalid_value", "logit_bias"),
        ({"max_tokens": 990}, 400, "context_length_exceeded", "messages"),
        ({"messages": [{"role": "user", "content": "x" * 1000}]}, 400, "context_length_exceeded", "messages"),
        ({"structured_outputs": {"regex": "["}}, 400, "unsupported_schema", "structured_outputs"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": [1]}}},
            400,
            "invalid_value",
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"minProperties": 2}}}},
            400,
            "unsupported_schema",
            "response_format",
        ),
        ({"tools": [taking({"properties": {"a": {"minProperties": 2}}})]}, 400, "unsupported_schema", "tools"),
        ({"tools": [taking({"type": "string"})]}, 400, "invalid_value", "tools.0.function.parameters"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "invalid_value",
            "messages.0.content",
        ),
        ({"messages": [{"role": "user"}]}, 400, "invalid_value", "messages.0"),
        ({"tools": [WEATHER, WEATHER]}, 400, "invalid_value", None),
        ({"functions": [{"name": "x"}]}, 400, "unsupported_parameter", "functions"),
        ({"tools": [WEATHER], "structured_outputs": {"regex": "a"}}, 400, "invalid_value", None),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            400,
            None,
            "tool_choice",
        ),
    ],
)
def test_refusals(server: Live, change: dict[str, Any], status: int, code: str, param: str | None) -> None:
    answer = server.post(CHAT, {**HELLO, **change})
    error = responses.ErrorBody.model_validate(answer.json()).error
    assert (answer.status_code, error.code, error.param) == (status, code, param)
    assert error.type == "invalid_request_error" and error.message
    assert not server.backend.requests


def test_a_tool_that_cannot_be_held_is_named(server: Live) -> None:
    answer = server.post(CHAT, {**HELLO, "tools": [WEATHER, taking({"minProperties": 2})]})
    assert answer.json()["error"]["message"].startswith("The tool 'odd': This schema cannot be enforced: minProp")


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_a_stop_text_cut_is_no_call_to_be_made(server: Live, stream: bool) -> None:
    server.backend.reset(saying('{"name":"weather","arguments":{"ci'))
    body = {**HELLO, "tools": [WEATHER], "tool_choice": "required", "stop": ["ty"], "stream": stream}
    answer = server.post(CHAT, body).text
    assert '"finish_reason":"stop"' in answer and '"finish_reason":"tool_calls"' not in answer


def test_texts_that_cannot_fit_are_not_tokenised(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.backend, "tokenize", None)
    monkeypatch.setattr(server.backend, "tokenize_whole", None)
    text = "x" * 256_001  # the context holds 1,000 tokens
    for path, body in (
        (CHAT, {"messages": [{"role": "user", "content": text}]}),
        ("/v1/completions", {"prompt": text}),
        ("/v1/completions", {"prompt": ["a", text]}),
    ):
        error = server.post(path, body).json()["error"]
        assert error["code"] == "context_length_exceeded" and "characters cannot fit" in error["message"]
    assert server.post("/v1/completions", {"prompt": ["a"] * 1025}).status_code == 400


def test_a_schema_beside_tools_holds_the_answers_that_call_nothing(server: Live) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert server.post(CHAT, {**HELLO, "tools": [WEATHER], "response_format": wanted}).status_code == 200
    ((kind, grammar),) = server.backend.compiled
    assert kind == "lark" and '"integer"' in grammar and "TEXT" not in grammar
    server.post(CHAT, {**HELLO, "tools": [WEATHER], "response_format": wanted, "tool_choice": "none"})
    assert server.backend.compiled[1] == ("json_schema", schema)


def test_further_variables_of_the_template(server: Live) -> None:
    server.post(CHAT, {**HELLO, "chat_template_kwargs": {"enable_thinking": False, "messages": []}})
    assert "".join(map(chr, server.backend.requests[0].prompt)) == "<system>Be brief.<user>Hello<assistant>"


def test_what_newer_examples_of_openais_client_begin_with(server: Live) -> None:
    for prefix in ("/v1", "/openai/v1"):
        answer = server.post(f"{prefix}/responses", {"model": "tiny", "input": "Hello"})
        assert answer.status_code == 404 and "client.chat.completions" in answer.json()["error"]["message"]


def test_a_body_that_is_no_json(server: Live) -> None:
    for content in (b"{", b"", b"[]", b"1"):
        answer = server.client.post(CHAT, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"
    assert server.client.get("/v1/none").json()["error"]["code"] == "not_found"
    assert server.client.get(CHAT).status_code == 405


def test_an_engine_that_refuses(server: Live) -> None:
    server.backend.refusal = Overloaded("queued_requests", 7)
    for stream in (False, True):
        answer = server.post(CHAT, {**HELLO, "stream": stream})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.json()["error"]["code"] == "queued_requests"
    assert 'vllm:admission_rejections_total{engine="0",model_name="tiny",reason="queued_requests"} 2.0' in scrape(
        server
    )


def test_n_answers_of_which_one_finds_no_room(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are not left to compute for nobody."""
    submit, asked = server.backend.submit, []

    def third_refused(request: Request, on_event: Emit) -> Any:
        asked.append(request)
        if len(asked) == 3:
            raise Overloaded("queued_requests", 1)
        return submit(request, on_event)

    monkeypatch.setattr(server.backend, "submit", third_refused)
    assert server.post(CHAT, {**HELLO, "n": 3}).status_code == 429
    assert len(server.backend.tickets) == 2
    assert all(ticket.cancelled.is_set() for ticket in server.backend.tickets)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DeadlineExceeded(queued=True), 429, "deadline"),
        (DeadlineExceeded(queued=False), 504, "deadline"),
        (ConstraintFailed("The parser ran out of room."), 500, "constraint_failed"),
    ],
)
def test_an_answer_that_fails(server: Live, error: Any, status: int, code: str) -> None:
    def script(request: Request, emit: Emit, cancelled: threading.Event) -> None:
        emit(Text("a", (97,)))
        emit(Failed(error, Usage()))

    server.backend.script = script
    answer = server.post(CHAT, HELLO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    streamed = server.post(CHAT, {**HELLO, "stream": True})
    assert streamed.status_code == 200
    *_, said, last = events(streamed.text)
    assert said["choices"][0]["delta"] == {"content": "a"} and last["error"]["code"] == code


def test_a_fault_of_ours_tells_no_details(server: Live) -> None:
    server.backend.refusal = ZeroDivisionError("secret detail")
    answer = server.post(CHAT, HELLO)
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text


def test_the_clients_own_deadline(server: Live) -> None:
    server.post(CHAT, HELLO, **{"X-Request-Timeout": "0.5"})
    server.post(CHAT, HELLO)
    short, long = (request.deadline or 0 for request in server.backend.requests)
    assert 10 < long - short < 21
    assert server.post(CHAT, HELLO, **{"X-Request-Timeout": "soon"}).status_code == 400


CALL = '{"name":"weather","arguments":{"city":"Rome"}}'


def test_a_required_call(server: Live) -> None:
    server.backend.script = saying(CALL)
    body = {**HELLO, "tools": [WEATHER], "tool_choice": "required"}
    choice = responses.ChatCompletion.model_validate(server.post(CHAT, body).json()).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].function.arguments == '{"city":"Rome"}'
    assert server.backend.compiled[0][0] == "lark"
    prompt = "".join(map(chr, server.backend.requests[0].prompt))
    assert prompt.startswith("<system>Be brief.\n\nYou can call these functions:") and '"name": "weather"' in prompt


def test_calls_in_a_stream(server: Live) -> None:
    server.backend.script = saying(f"Let me see.\n<tool_call>\n{CALL}\n</tool_call>")
    *chunks, _ = events(server.post(CHAT, {**HELLO, "tools": [WEATHER], "stream": True}).text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Let me see."
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert calls[0]["function"] == {"name": "weather", "arguments": ""} and calls[0]["id"].startswith("call_")
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"Rome"}'


def test_the_recipe_holds_where_nobody_says_otherwise(tmp_path: Path) -> None:
    with live(tmp_path, saying('{"kind":"spam","count":1}'), recipe=True) as server:
        mail = {"role": "user", "content": "Buy!"}
        server.post(CHAT, {"messages": [mail]})
        server.post(CHAT, {"messages": [mail], "response_format": {"type": "text"}})
        server.post(CHAT, {"messages": [mail], "tools": [WEATHER], "tool_choice": "none"})
        server.post(CHAT, HELLO)
        held, freed, with_tools, own = server.backend.requests
    assert "".join(map(chr, held.prompt)).startswith("<system>Which kind is it?\nAnswer with one JSON object")
    assert held.constraint is not None and held.sampling.temperature == 0
    assert held.max_tokens == 256
    assert freed.prompt == held.prompt and freed.constraint is None
    assert with_tools.constraint is None and own.constraint is None
    assert own.sampling.temperature == 1


def test_completions(server: Live) -> None:
    body = {"prompt": [[97, 98], [99]], "n": 2, "temperature": 0, "suffix": None, "best_of": 2}
    answer = responses.Completion.model_validate(server.post("/v1/completions", {**body, "echo": True}).json())
    assert [choice.text for choice in answer.choices] == ["abHi ä!", "abHi ä!", "cHi ä!", "cHi ä!"]
    assert answer.usage.prompt_tokens == 3 and answer.usage.completion_tokens == 20
    assert server.backend.requests[0].max_tokens == 16
    answer = responses.Completion.model_validate(server.post("/v1/completions", {**body, "logprobs": 1}).json())
    told = answer.choices[2].logprobs
    assert told is not None and told.text_offset[:3] == [0, 1, 2]


def test_a_text_of_its_own_begins_as_the_vocabulary_has_it(server: Live) -> None:
    """A begin mark, such as Llama's and Gemma's: without it these models write nonsense. Templates bring their own."""
    assert server.post("/v1/completions", {"prompt": "ab", "echo": True}).json()["choices"][0]["text"] == "abHi ä!"
    assert server.backend.requests[0].prompt == (2, 97, 98)
    server.post("/v1/completions", {"prompt": [97]})
    server.post(CHAT, HELLO)
    assert [request.prompt[0] for request in server.backend.requests[1:]] == [97, ord("<")]


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"suffix": "x"}, "unsupported_parameter", "does not fill gaps"),
        ({"best_of": 3}, "invalid_value", "best_of other than n"),
        ({"echo": True, "logprobs": 0}, "invalid_value", "logprobs of an echoed prompt"),
    ],
)
def test_completions_that_are_refused(server: Live, change: dict[str, Any], code: str, told: str) -> None:
    error = server.post("/v1/completions", {"prompt": "ab", **change}).json()["error"]
    assert error["code"] == code and told in error["message"]
    assert not server.backend.requests


def test_a_stream_of_completions(server: Live) -> None:
    body = {"prompt": [97, 98], "echo": True, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, last, done = events(server.post("/openai/v1/completions", body).text)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "abHi ä!"
    assert (chunks[-1]["choices"][0]["finish_reason"], last["usage"]["prompt_tokens"], done) == ("stop", 2, "[DONE]")


@pytest.mark.parametrize("prompt", ["", [], [300], [[1], []], None, {}])
def test_prompts_that_cannot_be_read(server: Live, prompt: Any) -> None:
    assert server.post("/v1/completions", {"prompt": prompt}).status_code == 400


def test_models(server: Live) -> None:
    server.backend.loaded["fine"] = Path("fine.gguf")
    for prefix in ("/v1", "/openai/v1"):
        listed = responses.ModelList.model_validate(server.client.get(f"{prefix}/models").json())
        assert listed.models == ["tiny", "fine"] and listed.data[1].root == "tiny"
    assert server.post(CHAT, {**HELLO, "model": "fine"}).json()["model"] == "fine"
    assert server.backend.requests[0].adapter == "fine"
    assert server.client.get("/v1/models/none").json()["error"]["code"] == "model_not_found"


def test_labels_are_of_a_closed_set(tmp_path: Path) -> None:
    with live(tmp_path, saying("Hi ä!")) as server:
        figures(server)


def figures(server: Live) -> None:
    for number in range(20):
        server.post(CHAT, {**HELLO, "model": f"made-up-{number}"})
    server.post(CHAT, HELLO)
    until(lambda: 'finished_reason="stop",model_name="tiny"} 1.0' in scrape(server))
    text = scrape(server)
    assert "made-up" not in text
    assert 'vllm:admission_rejections_total{engine="0",model_name="other",reason="unknown_model"} 20.0' in text
    for line in (
        'vllm:num_requests_running{engine="0",model_name="tiny"} 2.0',
        'vllm:num_requests_waiting{engine="0",model_name="tiny"} 5.0',
        'vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25',
        'vllm:generation_tokens_total{engine="0",model_name="tiny"} 5.0',
        'vllm:prefix_cache_hits_total{engine="0",model_name="tiny"} 3.0',
        'vllm:time_to_first_token_seconds_count{engine="0",model_name="tiny"} 1.0',
        'vllm:inter_token_latency_seconds_count{engine="0",model_name="tiny"} 4.0',
        'stillroom:accepted_tokens_total{engine="0",model_name="tiny"} 1.0',
        'vllm:lora_requests_info{max_lora="16",running_lora_adapters="",waiting_lora_adapters=""}',
    ):
        assert line in text


def scrape(server: Live) -> str:
    return server.client.get("/metrics").text


def test_embeddings(server: Live) -> None:
    answer = responses.EmbeddingList.model_validate(server.post("/v1/embeddings", {"input": ["ab", "c"]}).json())
    assert [one.embedding for one in answer.data] == [[0.6, 0.8, 0.0]] * 2 and answer.usage.prompt_tokens == 5
    packed = server.post("/v1/embeddings", {"input": [97], "encoding_format": "base64", "dimensions": 1}).json()
    assert struct.unpack("<f", base64.b64decode(packed["data"][0]["embedding"])) == (1.0,)
    assert server.post("/v1/embeddings", {"input": "a", "dimensions": 4}).status_code == 400
    assert server.post("/v1/embeddings", {"input": ["a"] * 2049}).status_code == 400


def test_embeddings_have_a_queue_and_a_deadline_of_their_own(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait on threads of their own, for whom nothing else waits; who is gone is not worked for."""
    go_on, asked = threading.Event(), list[Any]()

    def slow(texts: Any) -> list[list[float]]:
        asked.append(texts)
        go_on.wait(20)
        return [[1.0]]

    monkeypatch.setattr(server.backend, "embed", slow)
    monkeypatch.setattr(server.service, "most_waiting", 2)
    late = server.post("/v1/embeddings", {"input": ["a", "b", "c"]}, **{"X-Request-Timeout": "0.1"})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline")
    with ThreadPoolExecutor(3) as pool:
        url = f"{server.url}/v1/embeddings"
        held = [pool.submit(httpx.post, url, json={"input": "d"}, timeout=20) for _ in range(3)]
        until(lambda: server.service.lifecycle.in_flight == 3)
        time.sleep(0.2)  # from the door to the queue
        full = server.post("/v1/embeddings", {"input": "e"})
        assert (full.status_code, full.headers["retry-after"]) == (429, "1")
        assert server.post(CHAT, HELLO).status_code == 200
        go_on.set()
        assert [one.result().status_code for one in held] == [200] * 3
    assert (2, ord("b")) not in [text for texts in asked for text in texts]


def test_a_model_that_makes_embeddings_only(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.backend, "generates", False)
    error = server.post(CHAT, HELLO).json()["error"]
    assert error["code"] == "embeddings_only" and "/v1/embeddings" in error["message"]


def test_an_adapter_that_is_unloaded_while_the_request_is_read(server: Live) -> None:
    server.backend.loaded["fine"] = Path("fine.gguf")
    server.backend.refusal = UnknownAdapter("fine")
    answer = server.post(CHAT, {**HELLO, "model": "fine"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found" and "'fine'" in answer.json()["error"]["message"]


def test_more_prompts_than_the_server_ever_holds(server: Live) -> None:
    """To be told to try again would be no help."""
    answer = server.post("/v1/completions", {"prompt": ["a"] * 300})
    assert answer.status_code == 400 and "300 answers" in answer.json()["error"]["message"]
    assert not server.backend.requests


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {"input": ""}, "input"),
        ("/v1/embeddings", {"input": [[300]]}, "input"),
        ("/v1/completions", {"prompt": ""}, "prompt"),
        ("/v1/completions", {"prompt": "x" * 1000}, "prompt"),
        ("/v1/completions", {"prompt": "x" * 10**6}, "prompt"),
    ],
)
def test_the_field_at_fault_is_named(server: Live, path: str, body: Any, param: str) -> None:
    assert server.post(path, body).json()["error"]["param"] == param
