"""A small OpenAI-compatible server for tests: real sockets, and every way to misbehave."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Answer:
    """What the server sends. `cut` leaves that many bytes of the body out; `slow` seconds pass before each half. With
    `reset` the connection breaks off before anything is sent; `endless` sends the body again and again."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    slow: float = 0.0
    chunked: bool = False
    reset: bool = False
    endless: bool = False


def said(text: Any, prompt: int = 10, completion: int = 5, finish: str = "stop") -> Answer:
    """A sound answer with this text (or value, as JSON)."""
    content = text if isinstance(text, str) else json.dumps(text)
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return Answer({"object": "chat.completion", "choices": [choice], "usage": usage})


def error(status: int, message: str = "", code: str = "", **headers: str) -> Answer:
    """An error as OpenAI words it."""
    return Answer({"error": {"message": message, "code": code}}, status, headers)


@dataclass
class Asked:
    """What a client sent."""

    body: dict[str, Any]
    key: str

    @property
    def prompt(self) -> str:
        """All messages as one text."""
        return "\n".join(message["content"] for message in self.body["messages"])


class Loopback:
    """The server. Set `reply` to a function from what was asked to an Answer, or `script` to a list of answers."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Callable[[Asked], Answer] = lambda asked: said("yes")
        self.script: list[Answer] = []
        self.models: Answer = Answer({"data": [{"id": "m"}, {"id": "judge"}]})
        self.refused: dict[str, Answer] = {}
        self._lock = threading.Lock()
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                loopback._send(self, loopback.refused.get(key, loopback.models))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = Asked(body, self.headers.get("Authorization", "").removeprefix("Bearer "))
                loopback._send(self, loopback._answer(asked))

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:  # a client that gave up waiting
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            if asked.key in self.refused:
                return self.refused[asked.key]
            if self.script:
                return self.script.pop(0)
        return self.reply(asked)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.reset:
            # Closing with this option set sends RST instead of an orderly end.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Transfer-Encoding" if answer.chunked else "Content-Length", self._length(answer, raw))
        handler.end_headers()
        sent = raw[: len(raw) - answer.cut]
        for part in (sent[: len(sent) // 2], sent[len(sent) // 2 :]):
            time.sleep(answer.slow)
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if answer.chunked else part)
            handler.wfile.flush()
        while answer.endless:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        if answer.cut:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif answer.chunked:
            handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def _length(answer: Answer, raw: bytes) -> str:
        return "chunked" if answer.chunked else str(len(raw))
