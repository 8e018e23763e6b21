"""What stands around the routes: keys, bounds, slow clients, clients that go, probes, the drain."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from scripted import Live, hanging, live, saying, until

from serving.engine.request import EngineStopped, Failed, Finished, Text, Usage
from serving.server import connection
from serving.server.guard import Hosts, Limits
from serving.server.listening import bind, is_local
from serving.server.logs import JsonFormatter

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path, hanging, limits=Limits(body_bytes=1000, body_seconds=0.3)) as server:
        yield server


def raw(server: Live, *parts: bytes, wait: float = 0.0) -> bytes:
    """What the server answers to bytes that are sent in parts."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(wait)
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_is_no_more_worked_for(server: Live, stream: bool) -> None:
    body = json.dumps({**HELLO, "stream": stream, "n": 2}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
        until(lambda: len(server.backend.tickets) == 2)
        assert not any(ticket.cancelled.is_set() for ticket in server.backend.tickets)
    until(lambda: all(ticket.cancelled.is_set() for ticket in server.backend.tickets))
    until(lambda: server.service.lifecycle.in_flight == 0)
    assert 'stillroom:requests_cancelled_total{engine="0",model_name="tiny"} 2.0' in server.client.get("/metrics").text


def test_bodies_are_bounded_while_they_are_read(server: Live) -> None:
    assert server.client.post(CHAT, content=b"x" * 1001).status_code == 413
    # Without a length, and never at an end: the bound holds at the bytes that came.
    chunked = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = raw(server, chunked + b"400\r\n" + b"x" * 0x400 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413") and b"body_too_large" in answer
    assert not server.backend.requests


def test_a_client_that_sends_too_much_reads_why(server: Live) -> None:
    # It still sends when the answer is there, and reads when all is sent: a closed connection would be reset by then.
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n".encode()
    answer = raw(server, head, b"x" * 1500, b"x" * 1500, wait=0.2)
    assert answer.startswith(b"HTTP/1.1 413") and b"body_too_large" in answer
    assert not server.backend.requests


def test_a_body_that_does_not_come(server: Live) -> None:
    answer = raw(server, f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert answer.startswith(b"HTTP/1.1 408") and b"body_timeout" in answer


def test_a_head_that_does_not_come(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    assert raw(server).startswith(b"HTTP/1.1 408")
    assert raw(server, b"GET / HTTP/1.1\r\n", b"A: b\r\n", b"B: c\r\n", wait=0.05).startswith(b"HTTP/1.1 408")
    # A second request on the same connection has its own time.
    ready = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    both = raw(server, ready, b"GET /health HTTP/1.1\r\n")
    assert both.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in both


def test_a_head_without_end(server: Live) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(70))
    assert raw(server, b"GET /health HTTP/1.1\r\n" + lines + b"\r\n").startswith(b"HTTP/1.1 431")


def test_a_reader_that_stalls(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED_SECONDS", 0.2)

    def flood(request: object, emit: object, cancelled: threading.Event) -> None:
        for _ in range(150):  # more than the buffers of both ends hold
            emit(Text("x" * 100_000, (97,)))  # type: ignore[operator]
        cancelled.wait(20)
        emit(Finished("cancelled", Usage()))  # type: ignore[operator]

    server.backend.script = flood  # type: ignore[assignment]
    body = json.dumps({**HELLO, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode())
        client.sendall(b"Content-Type: application/json\r\n\r\n" + body)
        until(lambda: bool(server.backend.tickets))
        until(lambda: server.backend.tickets[0].cancelled.is_set())


def test_probes_and_scrapes_are_answered_while_all_hang(server: Live) -> None:
    thread = threading.Thread(target=lambda: _quietly(server))
    thread.start()
    until(lambda: bool(server.backend.tickets))
    for path in ("/", "/health", "/health/live", "/health/ready", "/health/startup", "/v2/health/live",
                 "/v2/health/ready", "/v1/models/tiny", "/v2/models/tiny/ready", "/metrics"):  # fmt: skip
        assert server.client.get(path).status_code == 200
        looked = server.client.head(path)
        assert (looked.status_code, looked.content) == (200, b"")
    assert not server.backend.tickets[0].cancelled.is_set()
    server.backend.silence = 31
    for path in ("/", "/health/live", "/v2/health/live"):
        assert server.client.get(path).status_code == 503
    assert server.client.get("/health/ready").status_code == 200
    server.backend.tickets[0].cancel()
    thread.join(10)


def _quietly(server: Live) -> None:
    httpx.post(server.url + CHAT, json=HELLO, timeout=20)


def test_not_started_is_not_ready(server: Live) -> None:
    server.service.lifecycle.started = False
    for path in ("/health", "/health/ready", "/health/startup", "/v2/health/ready", "/v1/models/tiny",
                 "/v2/models/tiny/ready"):  # fmt: skip
        assert server.client.get(path).status_code == 503
    assert server.client.get("/health/live").status_code == 200


def test_keys(tmp_path: Path) -> None:
    with live(tmp_path, saying("Hi"), keys=("one", "two"), admin=("chief",)) as server:
        for key in ("one", "two"):
            assert server.post(CHAT, HELLO, Authorization=f"Bearer {key}").status_code == 200
        for wrong in ("", "Bearer", "Bearer three", "Bearer chief", "Basic one", "one", "Bearer onetwo"):
            answer = server.post(CHAT, HELLO, Authorization=wrong)
            assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/v1/models", "/v2/models"):
            assert server.client.get(path).status_code == 401
        for path in ("/health", "/metrics", "/v2/health/live", "/v1/models/tiny"):
            assert server.client.get(path).status_code == 200
        assert server.client.get("/v1/adapters", headers={"Authorization": "Bearer one"}).status_code == 401
        # Nobody without a key makes the server read his body.
        assert raw(server, f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"
                   .encode()).startswith(b"HTTP/1.1 401")  # fmt: skip


def test_adapters_without_an_admin_key(server: Live) -> None:
    answer = server.client.get("/v1/adapters")
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "no_admin_key"


def test_a_server_for_this_machine_is_called_by_its_name(tmp_path: Path) -> None:
    """A web page whose own name resolves to 127.0.0.1 (DNS rebinding) is not let in."""
    with live(tmp_path, saying("Hi"), hosts=Hosts(["models.example"])) as server:
        good = (
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "0.0.0.0:80",
            "[::1]:8080",
            "LOCALHOST.",
            "a.localhost",
            "Models.Example:80",
        )
        for host in good:
            assert server.post(CHAT, HELLO, Host=host).status_code == 200
        for host in (
            "evil.example",
            "10.0.0.1:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "[::",
            "ä",
        ):
            for method, path in (("POST", CHAT), ("GET", "/metrics"), ("GET", "/health")):
                answer = raw(server, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
                             "Content-Length: 0\r\n\r\n".encode())  # fmt: skip
                assert answer.startswith(b"HTTP/1.1 403") and b"--allowed-host" in answer
        assert raw(server, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert is_local(bind("127.0.0.1", 0)) and not is_local(bind("0.0.0.0", 0))


def test_pages_of_others_may_not_ask(server: Live) -> None:
    """No CORS: a browser's question whether it may send JSON is answered with no."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = server.client.options(CHAT, headers=asked)
    assert answer.status_code == 405 and not any(name.startswith("access-control") for name in answer.headers)
    plain = server.client.post(CHAT, content=json.dumps(HELLO), headers={"Content-Type": "text/plain"})
    assert plain.status_code == 400 and not server.backend.requests


@pytest.mark.parametrize("asked", [False, True])
def test_what_people_write_is_logged_where_that_was_asked_for(
    tmp_path: Path, asked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "Zebra"
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [secret]}
    bodies = {
        CHAT: {"messages": [{"role": "user", "content": secret}]},
        "/v1/completions": {"prompt": secret},
        "/v1/embeddings": {"input": secret},
        "/v1/extract": {"text": secret},
        "/v1/models/tiny:predict": {"instances": [secret]},
        "/v2/models/tiny/infer": {"inputs": [tensor]},
    }
    with caplog.at_level(logging.INFO), live(tmp_path, saying("Hi"), recipe=True, log_prompts=asked) as server:
        for path, body in bodies.items():
            server.post(path, body)
        server.post(CHAT, {"messages": [{"role": secret, "content": secret}]})
        server.client.post(CHAT, content=b'{"messages": "' + secret.encode())
    lines = {record.path: vars(record) for record in caplog.records if hasattr(record, "path")}
    assert lines.keys() == bodies.keys()
    for path in bodies.keys() - {CHAT}:
        assert (secret in str(lines[path].get("prompt"))) == asked
    if not asked:
        assert secret not in "\n".join(map(JsonFormatter().format, caplog.records))


def test_the_log_says_why_a_request_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def script(request: object, emit: object, cancelled: threading.Event) -> None:
        emit(Text("a", (97,)))  # type: ignore[operator]
        emit(Failed(EngineStopped("The engine was closed."), Usage()))  # type: ignore[operator]

    with caplog.at_level(logging.INFO), live(tmp_path, script) as server:  # type: ignore[arg-type]
        for body in ({**HELLO, "stream": True}, HELLO, {"model": "none", **HELLO}, {"messages": 1}):
            server.post(CHAT, body)
        server.client.get("/none")
        server.client.get("/v1/adapters")
    told = [(record.status, record.error) for record in caplog.records if hasattr(record, "status")]
    assert sorted(told) == [
        (200, "engine_stopped"), (400, "invalid_value"), (403, "no_admin_key"), (404, "model_not_found"),
        (404, "not_found"), (503, "engine_stopped"),
    ]  # fmt: skip


def test_request_ids(server: Live) -> None:
    assert server.client.get("/health", headers={"X-Request-Id": "a-1.b"}).headers["x-request-id"] == "a-1.b"
    for odd in ("x" * 200, "a b", 'a"b', ""):
        given = server.client.get("/health", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert given != odd and len(given) == 32


def test_a_drain_finishes_streams_and_takes_nothing_more(tmp_path: Path) -> None:
    go_on = threading.Event()

    def script(request: object, emit: object, cancelled: threading.Event) -> None:
        emit(Text("a", (97,)))  # type: ignore[operator]
        go_on.wait(20)
        emit(Text("b", (98,)))  # type: ignore[operator]
        emit(Finished("stop", Usage()))  # type: ignore[operator]

    with live(tmp_path, script) as server:  # type: ignore[arg-type]
        with server.client.stream("POST", CHAT, json={**HELLO, "stream": True}) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.server.handle_exit(15, None)
            late = httpx.post(server.url + CHAT, json=HELLO)
            assert (late.status_code, late.headers["retry-after"]) == (503, "1")
            assert late.headers["connection"] == "close" and late.json()["error"]["code"] == "draining"
            assert httpx.get(server.url + "/health/ready").json() == {"status": "draining"}
            assert httpx.get(server.url + "/v2/health/ready").status_code == 503
            assert httpx.get(server.url + "/health/live").status_code == 200
            go_on.set()
            rest = "\n".join(lines)
        assert '"content":"b"' in rest and "[DONE]" in rest
        until(lambda: not _open(server.port))
        server.server._captured_signals.clear()  # not raised again in the thread of the tests


def test_what_is_not_whole_after_the_grace_is_told(tmp_path: Path) -> None:
    stopped = threading.Event()

    def script(request: object, emit: object, cancelled: threading.Event) -> None:
        emit(Text("a", (97,)))  # type: ignore[operator]
        stopped.wait(20)
        emit(Failed(EngineStopped("The engine was closed."), Usage()))  # type: ignore[operator]

    with live(tmp_path, script, grace=2.3) as server:  # type: ignore[arg-type]
        server.backend.close = stopped.set  # type: ignore[method-assign]
        with server.client.stream("POST", CHAT, json={**HELLO, "stream": True}) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.server.handle_exit(15, None)
            rest = "\n".join(lines)
        assert "engine_stopped" in rest and "[DONE]" not in rest
        server.server._captured_signals.clear()


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_one_name_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fine.gguf").write_bytes(b"GGUF")
    with live(tmp_path, saying("Hi"), admin=("chief",)) as server:
        load = server.backend.load_adapter

        def slow(name: str, path: Path) -> None:
            time.sleep(0.2)
            load(name, path)

        monkeypatch.setattr(server.backend, "load_adapter", slow)
        headers, body = {"Authorization": "Bearer chief"}, {"name": "fine", "path": "fine.gguf"}
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(httpx.post, f"{server.url}/v1/adapters", json=body, headers=headers) for _ in range(3)]
        assert sorted(one.result().status_code for one in asked) == [201, 409, 409]


def test_adapters_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "fine.gguf").write_bytes(b"GGUF")
    (tmp_path / "bad.gguf").touch()
    with live(tmp_path, saying("Hi"), admin=("chief",)) as server:
        server.client.headers["Authorization"] = "Bearer chief"
        made = server.post("/v1/adapters", {"name": "fine", "path": "fine.gguf"})
        assert made.status_code == 201 and made.json() == {"name": "fine", "path": str(tmp_path / "fine.gguf")}
        assert server.client.get("/v1/adapters").json()["adapters"] == [made.json()]
        assert server.post(CHAT, {**HELLO, "model": "fine"}).status_code == 200
        assert 'vllm:prompt_tokens_total{engine="0",model_name="fine"}' in server.client.get("/metrics").text
        again = server.post("/v1/adapters", {"name": "fine", "path": "fine.gguf"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "name_taken")
        (tmp_path / "out.gguf").symlink_to("/etc/passwd"), (tmp_path / "loop.gguf").symlink_to("loop.gguf")
        odd = ("out.gguf", "loop.gguf", "a" * 5000 + ".gguf", "a\0.gguf", "fine.gguf\0", ".", "")
        for path in ("../x.gguf", "/etc/passwd", "none.gguf", "recipe.yaml", "bad.gguf", *odd):
            assert server.post("/v1/adapters", {"name": "other", "path": path}).status_code == 400
        assert server.client.delete("/v1/adapters/fine").status_code == 204
        assert server.client.delete("/v1/adapters/fine").status_code == 404
        # A thousand names in turn are not a thousand series for good.
        assert 'model_name="fine"' not in server.client.get("/metrics").text
        assert server.post(CHAT, {**HELLO, "model": "fine"}).status_code == 404
