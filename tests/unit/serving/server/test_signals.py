"""More than one signal: whoever is not answered is told so, and does not just lose the connection."""

import threading
from pathlib import Path

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from scripted import Emit, live

from serving.engine.request import EngineStopped, Failed, Request, Text, Usage


def test_a_second_signal_tells_the_clients_and_ends(tmp_path: Path) -> None:
    stopped = threading.Event()

    def script(request: Request, emit: Emit, cancelled: threading.Event) -> None:
        emit(Text("a", (97,)))
        stopped.wait(20)
        emit(Failed(EngineStopped("The engine was closed."), Usage()))

    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with live(tmp_path, script, grace=600) as server:
        server.backend.close = stopped.set  # type: ignore[method-assign]
        with server.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.server.handle_exit(15, None)
            assert not server.server.should_exit and not stopped.is_set()
            server.server.handle_exit(15, None)
            rest = "\n".join(lines)
        assert "engine_stopped" in rest and "[DONE]" not in rest
        assert not server.server.force_exit
        server.server.handle_exit(15, None)
        assert server.server.force_exit
        server.server._captured_signals.clear()  # not raised again in the thread of the tests
