"""What single clients do to a server, by malice or by mistake, and what the others notice of it: nothing."""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from server_process import Process, metric, wait

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
HELLO: dict[str, Any] = {"prompt": "Hello", "max_tokens": 5, "temperature": 0}
ENDLESS: dict[str, Any] = {**HELLO, "max_tokens": 200, "stream": True, "logit_bias": {"0": -100, "2": -100}}


@pytest.fixture(scope="module")
def server(serve_tiny: Callable[..., Process]) -> Process:
    return serve_tiny("--slots", "4", "--context", "256", handles=128)


@pytest.fixture
def client(server: Process) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60)


def connected(server: Process) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)


def posted(path: str, body: Any, *headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    )
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


def everything(connection: socket.socket) -> bytes:
    """What is sent until the server closes."""
    answer = b""
    while data := connection.recv(65536):
        answer += data
    return answer


def test_bombs_hold_up_nobody_without_a_schema(server: Process, client: httpx.Client) -> None:
    def bomb(number: int) -> httpx.Response:
        patterns = [{"pattern": f".*{number}a.{{{n}}}b.*"} for n in range(1, 29)]
        schema = {"type": "string", "allOf": patterns}
        wanted = {"type": "json_schema", "json_schema": {"name": "bomb", "schema": schema}}
        body = {"messages": [{"role": "user", "content": "Boom"}], "max_tokens": 8, "response_format": wanted}
        return httpx.post(f"{server.url}{CHAT}", json=body, timeout=120)

    with ThreadPoolExecutor(6) as pool:
        bombs = [pool.submit(bomb, number) for number in range(3)]
        wait(lambda: metric(server, "vllm:num_requests_running") == 0)
        time.sleep(0.3)  # they are being compiled
        for path, body in ((COMPLETIONS, HELLO), ("/v1/extract", {"text": "From: Ann\n\nLunch?"})):
            assert client.post(path, json=body).status_code == 200
        assert not any(one.done() for one in bombs)
        for one in bombs:
            assert one.result().status_code == 400, one.result().text
            assert one.result().json()["error"]["code"] == "unsupported_schema"


def test_idle_connections_keep_nobody_out(server: Process, client: httpx.Client) -> None:
    """More of them than the process could open when it began."""
    idle = [connected(server) for _ in range(300)]
    try:
        assert client.get("/health").status_code == 200
        assert client.post(COMPLETIONS, json=HELLO).status_code == 200
    finally:
        for one in idle:
            one.close()


def test_requests_that_are_sent_together_are_answered_in_turn(server: Process) -> None:
    with connected(server) as connection:
        prompts = [f"Number {number}" for number in range(6)]
        sent = [posted(COMPLETIONS, {**HELLO, "prompt": prompt, "echo": True}) for prompt in prompts]
        connection.sendall(b"".join(sent) + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = everything(connection).split(b"HTTP/1.1 200 OK")[1:]
    assert len(answers) == 7 and b'"status":"ok"' in answers[-1]
    for prompt, answer in zip(prompts, answers, strict=False):
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["text"].startswith(prompt)


def test_a_client_that_reads_a_byte_a_second_holds_up_nobody(server: Process, client: httpx.Client) -> None:
    with connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.sendall(posted(COMPLETIONS, {**ENDLESS, "logprobs": 5}))
        for _ in range(2):
            assert len(connection.recv(1)) == 1
            time.sleep(1)
        # Its answer is written to the end, and its place is free again.
        wait(lambda: metric(server, "vllm:num_requests_running") == 0)
        assert client.post(COMPLETIONS, json=HELLO).status_code == 200
