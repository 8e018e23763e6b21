"""The server as a process on the packaged model, asked by the stock openai client; drained, refused, resumed."""

import csv
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

import httpx
import openai
from pydantic import BaseModel
from server_process import STILLROOM, Process, wait

BRIEF: Any = {"role": "system", "content": "Be brief."}
HELLO: Any = [BRIEF, {"role": "user", "content": "Say hello to Ann."}]
MAIL = "From: Ann\nSubject: Review\n\nThe review is on Friday at 14:00 in Room 4."
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "maxLength": 12}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]


class Kind(BaseModel):
    kind: Literal["event", "spam"]
    count: int


@pytest.fixture(scope="module")
def server(serve: Callable[..., Process]) -> Process:
    return serve()


@pytest.fixture(scope="module")
def client(server: Process) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=120)


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(
        **{"model": "mails", "messages": HELLO, "max_tokens": 12, "temperature": 0, **more}
    )


def test_it_says_where_it_listens_and_how_to_ask(server: Process) -> None:
    assert re.match(
        r"mails-F16\.gguf is served as mails at http://127\.0\.0\.1:\d+, [\d.]+ s after the start\.\n", server.banner
    )
    assert f"curl {server.url}/v1/extract -H 'Content-Type: application/json' -d" in server.banner


def test_chat_and_stream_say_the_same(client: openai.OpenAI) -> None:
    whole = ask(client, logprobs=True, top_logprobs=3)
    choice = whole.choices[0]
    assert choice.message.content and whole.usage.completion_tokens == 12 and choice.finish_reason == "length"
    told = choice.logprobs.content
    assert "".join(one.token for one in told) == choice.message.content
    assert all(one.top_logprobs[0].token == one.token and one.logprob <= 0 for one in told)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, logprobs=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == choice.message.content and chunks[-1].usage == whole.usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details}
    )


def test_a_pydantic_model_is_filled(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="mails", messages=HELLO, response_format=Kind, temperature=0, max_tokens=60
    )
    assert isinstance(answer.choices[0].message.parsed, Kind)


def test_tools(client: openai.OpenAI) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        found = ask(client, tools=TOOLS, tool_choice=choice, max_tokens=40).choices[0]
        assert found.finish_reason == "tool_calls" and found.message.content is None
        (call,) = found.message.tool_calls
        assert call.function.name == "weather" and set(json.loads(call.function.arguments)) == {"city"}
    with client.chat.completions.stream(
        model="mails", messages=HELLO, tools=TOOLS, tool_choice="required", temperature=0, max_tokens=40
    ) as stream:
        assert any(event.type == "tool_calls.function.arguments.delta" for event in stream)
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert streamed is not None and streamed[0].function.arguments == call.function.arguments
    free = ask(client, tools=TOOLS, tool_choice="auto", max_tokens=8).choices[0]
    assert free.message.content or free.message.tool_calls


def test_one_seed_one_answer(client: openai.OpenAI) -> None:
    first, again = (ask(client, n=2, seed=5, temperature=1.2) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices] and texts[0] != texts[1]


def test_stop_and_regex(client: openai.OpenAI) -> None:
    text = ask(client).choices[0].message.content
    word = text.split()[1]
    stopped = ask(client, stop=word).choices[0]
    assert stopped.message.content == text[: text.index(word)] and stopped.finish_reason == "stop"
    held = ask(client, extra_body={"structured_outputs": {"regex": "[0-9]{3}-[a-z]{2}"}}).choices[0].message.content
    assert re.fullmatch("[0-9]{3}-[a-z]{2}", held)


def test_refusals_are_the_clients_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist here"):
        ask(client, model="gpt-4o")
    with pytest.raises(openai.BadRequestError, match="context holds 1024 tokens"):
        ask(client, messages=[BRIEF, {"role": "user", "content": "word " * 1100}])
    unsupported = {"type": "array", "uniqueItems": True}
    with pytest.raises(openai.BadRequestError, match="uniqueItems"):
        ask(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": unsupported}})


def test_the_recipe_answers(server: Process, client: openai.OpenAI) -> None:
    one = httpx.post(f"{server.url}/v1/extract", json={"text": MAIL}, timeout=120).json()
    assert one["output"]["category"] in ("event", "spam", "other") and one["time_ms"] > 0
    both = httpx.post(f"{server.url}/v1/extract", json={"texts": [MAIL, MAIL]}, timeout=120).json()
    assert both["outputs"] == [one["output"]] * 2
    # Whoever just sends the mail as a chat gets the same.
    chat = ask(client, messages=[{"role": "user", "content": MAIL}], max_tokens=None, temperature=None)
    assert json.loads(chat.choices[0].message.content) == one["output"]
    predicted = httpx.post(f"{server.url}/v1/models/mails:predict", json={"instances": [MAIL]}, timeout=120).json()
    assert predicted["predictions"] == [one["output"]]
    tensor = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [MAIL]}]}
    inferred = httpx.post(f"{server.url}/v2/models/mails/infer", json=tensor, timeout=120).json()
    assert {output["name"]: output["data"] for output in inferred["outputs"]}["title"] == [one["output"]["title"]]


def test_a_client_that_goes_frees_its_place(server: Process) -> None:
    body = {"messages": HELLO, "max_tokens": 900, "stream": True, "logit_bias": {"2": -100}}
    before = metric(server, "stillroom:requests_cancelled_total")
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=60) as answer:
        next(answer.iter_lines())
    wait(lambda: metric(server, "stillroom:requests_cancelled_total") == before + 1)
    wait(lambda: metric(server, "vllm:num_requests_running") == 0)


def test_probes_do_not_wait_for_the_decoding(server: Process) -> None:
    body = {"messages": [BRIEF, {"role": "user", "content": "word " * 900}], "max_tokens": 40}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{server.url}/v1/chat/completions", json=body, timeout=120)
        wait(lambda: metric(server, "vllm:num_requests_running") == 1)
        for path in ("/health/live", "/health/ready", "/v2/health/live", "/metrics"):
            assert httpx.get(server.url + path).status_code == 200
        assert not answer.done()
        assert answer.result().status_code == 200


def test_a_log_line_a_request_without_its_text(server: Process) -> None:
    httpx.post(f"{server.url}/v1/extract", json={"text": MAIL}, headers={"X-Request-Id": "r-42"}, timeout=120)

    def logged() -> list[dict[str, object]]:
        lines = server.log.read_text().splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return [line for line in whole if line.get("request_id") == "r-42"]

    wait(logged)  # the line is written once the answer is out: the client may be ahead of it
    (line,) = logged()
    assert (line["path"], line["status"], line["model"]) == ("/v1/extract", 200, "mails")
    assert "Friday" not in server.log.read_text()


def test_sigterm_finishes_the_stream_and_exits_with_0(serve: Callable[..., Process]) -> None:
    server = serve("--slots", "1", "--max-num-queued-reqs", "1")
    body = {"messages": HELLO, "max_tokens": 150, "temperature": 0, "stream": True, "logit_bias": {"2": -100}}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        # One is answered, one may wait, the others are told so at once.
        with ThreadPoolExecutor(4) as pool:
            quick = {"messages": HELLO, "max_tokens": 1}
            asked = [
                pool.submit(httpx.post, f"{server.url}/v1/chat/completions", json=quick, timeout=60) for _ in range(4)
            ]
            wait(lambda: sum(one.done() for one in asked) == 3)
            server.process.send_signal(signal.SIGTERM)
            wait(lambda: httpx.get(f"{server.url}/health/ready").status_code == 503)
            late = httpx.post(f"{server.url}/v1/chat/completions", json=quick)
            assert late.status_code == 503 and int(late.headers["retry-after"]) >= 1
            rest = [line for line in lines if line.startswith("data: ")]
            statuses = sorted(one.result().status_code for one in asked)
    assert rest[-1] == "data: [DONE]" and json.loads(rest[-2][6:])["choices"][0]["finish_reason"] == "length"
    assert len(rest) >= 150 and statuses == [200, 429, 429, 429]
    assert server.process.wait(30) == 0


def test_the_predictor_with_keys(model: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "keys").write_text("alpha\nbeta\n")
    flags = ["--model_name=m", f"--model_dir={model}", f"--http_port={port}", "--host=127.0.0.1"]
    command = [sys.executable, "-m", "serving.predictor", *flags, f"--api-key-file={tmp_path / 'keys'}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: reached(url), 60)
        # KServe's probe is that the port is open, so it is open only when all is ready.
        assert httpx.get(f"{url}/v1/models/m").json()["ready"] is True
        assert httpx.post(f"{url}/v1/extract", json={"text": MAIL}).status_code == 401
        keyed = httpx.post(
            f"{url}/v1/extract", json={"text": MAIL}, headers={"Authorization": "Bearer beta"}, timeout=60
        )
        assert keyed.json()["output"]["category"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def refused(*arguments: str, program: str = STILLROOM) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_what_cannot_be_served_is_one_clear_message(model: Path, tmp_path: Path, server: Process) -> None:
    port = server.url.rpartition(":")[2]
    assert f"Cannot listen on 127.0.0.1 port {port}" in refused("serve", str(model), "--port", port)
    assert "No such file or folder" in refused("serve", str(tmp_path / "none.gguf"))
    file = tmp_path / "mails-F16.gguf"
    file.write_bytes((model / file.name).read_bytes()[:200_000])
    assert "mails-F16.gguf" in refused("serve", str(file), "--port", "0")
    whole = bytearray((model / file.name).read_bytes())
    whole[-1] ^= 1  # a whole file, but for one bit of a weight
    file.write_bytes(whole)
    lineage = {"steps": [{"step": "export", "outputs": {file.name: "0" * 64}}]}
    (tmp_path / "lineage.json").write_text(json.dumps(lineage))
    changed = refused("-m", "serving.predictor", "--model_name=m", f"--model_dir={tmp_path}", "--http_port=0",
                      "--host=127.0.0.1", program=sys.executable)  # fmt: skip
    assert "is not the file that it should be" in changed


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mails.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows([number, f"{MAIL} Number {number}."] for number in range(24))
        writer.writerow([24, ""])
    yield path


def test_a_table_is_answered_and_a_killed_one_goes_on(model: Path, mails: Path, tmp_path: Path) -> None:
    out, journal = tmp_path / "out.csv", tmp_path / ".out.csv.journal"
    command = [STILLROOM, "extract", str(mails), "-o", str(out), "--run", str(model)]
    process = subprocess.Popen(command)
    wait(lambda: journal.is_file() and len(journal.read_text().splitlines()) > 6, 60)
    process.kill()
    process.wait(30)
    kept = [json.loads(line) for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")][1:]
    assert not out.exists() and 5 <= len(kept) < 25
    journal.write_text(journal.read_text() + '{"row": 3, "outp')  # a kill in the middle of a line
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} of 25 rows are answered already." in done.stderr
    assert done.stdout == f"wrote {out}: 25 rows, 1 of them with an error\n"
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [str(number) for number in range(25)]
    assert all(row["output.category"] in ("event", "spam", "other") and not row["error"] for row in rows[:24])
    assert rows[24]["error"] == "the text is empty" and not journal.exists()
    assert all(rows[one["row"]]["output.title"] == one["output"]["title"] for one in kept if "output" in one)


def metric(server: Process, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(rf'^{name}{{engine="0",model_name="mails"}} (\S+)$', text, re.MULTILINE)
    assert found, name
    return float(found[1])


def reached(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
