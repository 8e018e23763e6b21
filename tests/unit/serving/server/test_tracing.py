"""One trace a request: its spans follow each other and hang below the caller's own."""

import threading
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra `serve` is not installed")
pytest.importorskip("opentelemetry.sdk", reason="the extra `traces` is not installed")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.engine.request import Usage
from serving.server import tracing
from serving.server.logs import request_id, traceparent
from serving.server.tracing import Tracer, tracer_to

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_queue_prefill_and_decode() -> None:
    exporter = InMemorySpanExporter()
    tracer = Tracer(exporter, "mails")
    identity, parent = request_id.set("r-1"), traceparent.set(CALLER)
    try:
        tracer.request("mails", "stop", Usage(7, 3, 2, 1, 0, 0, 0.1, 0.2, 0.3), seconds=0.7)
    finally:
        request_id.reset(identity), traceparent.reset(parent)
    tracer.close()
    queue, prefill, decode, whole = exporter.get_finished_spans()
    assert [span.name for span in (queue, prefill, decode, whole)] == ["queue", "prefill", "decode", "llm_request"]
    assert whole.parent is not None and f"{whole.parent.span_id:x}" == "b7ad6b7169203331"
    assert f"{whole.context.trace_id:x}" == "af7651916cd43dd8448eb211c80319c"
    assert all(span.parent == whole.context for span in (queue, prefill, decode))
    assert whole.start_time == queue.start_time and queue.end_time == prefill.start_time
    assert [round((span.end_time - span.start_time) / 1e8) for span in (queue, prefill, decode, whole)] == [1, 2, 3, 7]
    assert whole.attributes is not None
    assert whole.attributes["gen_ai.usage.input_tokens"] == 7 and whole.attributes["stillroom.request_id"] == "r-1"


def test_a_collector_that_hangs_does_not_hold_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Hanging(InMemorySpanExporter):
        def export(self, spans: Any) -> Any:
            asked.set()
            go_on.wait(30)
            return super().export(spans)

    monkeypatch.setattr(tracing, "CLOSE_SECONDS", 0.1)
    tracer = Tracer(Hanging())
    tracer.request("mails", "stop", Usage(), 1.0)
    tracer.close()
    assert asked.wait(10) and not go_on.is_set()
    go_on.set()


def test_off_by_default() -> None:
    tracer = tracer_to(None, "mails")
    tracer.request("mails", "stop", Usage(), 1.0)
    tracer.close()
