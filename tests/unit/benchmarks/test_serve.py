"""The serving benchmark's own parts: its clients, what it makes of their replies, and its page."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from markupsafe import Markup

from benchmarks import serve, serve_report
from benchmarks.serve_load import closed, percentiles, poisson
from benchmarks.serve_work import valid


class Echo(BaseHTTPRequestHandler):
    """Answers with the question; `bad` is refused."""

    protocol_version = "HTTP/1.1"
    at_once: ClassVar[list[int]] = [0, 0]  # now, at most
    lock = threading.Lock()

    def do_POST(self) -> None:
        with self.lock:
            self.at_once[0] += 1
            self.at_once[1] = max(self.at_once)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][0]["content"]
        if body.get("stream"):
            chunks = [{"choices": [{"delta": {"content": part}}]} for part in ("", *text)]
            chunks.append({"choices": [], "usage": {"completion_tokens": 7}})
            raw = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
        else:
            raw = json.dumps({"choices": [{"message": {"content": text}}], "usage": {"completion_tokens": 3}}).encode()
        with self.lock:
            self.at_once[0] -= 1
        self.send_response(400 if text == "bad" else 200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Echo.at_once[:] = [0, 0]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def bodies(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": text}], **more} for text in texts]


def test_replies_come_in_the_order_of_the_requests_and_failures_are_kept(port: int) -> None:
    load = closed(port, bodies("a", "bad", "c", "d", "e"), 2)
    assert [reply.text for reply in load.replies] == ["a", "", "c", "d", "e"] and Echo.at_once[1] <= 2
    assert [bool(reply.error) for reply in load.replies] == [False, True, False, False, False]
    assert load.replies[0].tokens == 3 and load.replies[0].first is None


def test_a_stream_tells_when_it_began(port: int) -> None:
    load = poisson(port, bodies("one", "two", stream=True), 500.0, 1)
    assert [reply.text for reply in load.replies] == ["one", "two"]
    assert all(reply.first is not None and 0 < reply.first <= reply.seconds for reply in load.replies)
    assert load.replies[0].tokens == 7


def test_percentiles() -> None:
    assert percentiles([float(n) for n in range(100)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert percentiles([2.0]) == {"p50": 2.0, "p95": 2.0, "p99": 2.0} and percentiles([]) == {}


def test_valid() -> None:
    schema = {"type": "object", "required": ["a"]}
    assert valid('{"a": 1}', schema) and not valid("{}", schema) and not valid('{"a"', schema)
    assert valid("any", None) and not valid("", None)


def line(contender: str, speed: float, **more: Any) -> dict[str, Any]:
    return {
        "work": "tuned-q8", "contender": contender, "clients": 8, "rate": 0.0, "requests_per_second": speed,
        "setup": {"options": ["--kv-unified"], "slots": 8}, "tokens_per_second": 50.0, "first": {}, "valid": 1.0,
        "whole": {"p50": 1 / speed, "p95": 2 / speed, "p99": 3 / speed}, "equal": 1.0, "peak_mib": 900.0, "texts": 16,
        "started": 1.2, "errors": [], "leads": [], "rounds": [speed],
    } | more  # fmt: skip


BOUND = {"work": "tuned-q8", "clients": 8, "requests_per_second": 5.2, "computed_tokens": 220.0,
         "kernel_tokens_per_second": 1150.0}  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        ({}, ""),
        ({"requests_per_second": 3.0}, "2.00x llama-server (goal 2.5x)"),
        ({"valid": 0.99}, "99% valid"),
        ({"equal": 0.9, "leads": [0.2, 1.3]}, "90% of the answers equal, the others part at leads below 1.30"),
        ({"equal": 0.9, "leads": [0.2, 0.3]}, ""),
        ({"started": 2.0}, "first token 2.0 s after a warm start"),
    ],
)
def test_the_summary_names_what_is_missed(
    ours: dict[str, Any], missed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line("stillroom", 5.0, **ours), line("llama-server", 1.5, equal=0.97), line("ollama", 1.0)]
    known = {work.name: work for work in serve.workloads()}
    status = serve.summary({"lines": lines, "bounds": [BOUND]}, known)
    said = capsys.readouterr().out.strip()
    assert status == bool(missed) and said.startswith("MISSED " if missed else "MET ")
    assert missed in said.partition(" | met: ")[0] and "of its bound" in said


def test_what_is_not_measured_anew_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "serve.json"
    assert serve._kept(file, ["chat"])["lines"] == []
    lines = [line("stillroom", 5.0), line("stillroom", 2.0) | {"work": "chat"}]
    file.write_text(json.dumps({"machines": {"tuned-q8": "of then"}, "lines": lines, "bounds": [BOUND]}))
    assert serve._kept(file, ["chat"])["lines"] == lines[:1] and serve._kept(file, ["chat"])["bounds"] == [BOUND]
    assert serve._kept(file, ["tuned-q8"])["bounds"] == []


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "serve.json"
    monkeypatch.setattr(serve_report, "RESULTS", results)
    assert serve_report.parts(tmp_path, Markup("")) == []
    (tmp_path / "images").mkdir()
    lines = [line("stillroom", 5.0), line("llama-server", 1.25), line("stillroom", 2.0, clients=0, rate=2.1)]
    results.write_text(json.dumps({"machines": {"tuned-q8": "a machine"}, "lines": lines, "bounds": [BOUND]}))
    page = "\n".join(serve_report.parts(tmp_path, Markup("<style></style>")))
    assert "4.00× the requests, p95 0.25×" in page and "96% of 5.20: 220 tokens at 1150/s" in page
    assert "--kv-unified, 8 slots at most" in page and "2.1 a second, at random" in page
    assert "Different texts: 16; runs of each contender: 1." in page
    picture = (tmp_path / "images/serve.svg").read_text()
    assert picture.startswith("<svg xmlns=") and "<style></style><title" in picture and "llama-server" in picture
