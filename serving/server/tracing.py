"""OpenTelemetry traces of requests, with spans for queue, prefill and decode; off where no endpoint is given."""

import threading
import time
from typing import TYPE_CHECKING, Any

from serving.server.logs import request_id, traceparent
from stillroom.errors import UserError

if TYPE_CHECKING:
    from serving.engine.request import Usage


CLOSE_SECONDS = 2.0
"""For the last traces at the end: the grace of a pod is for its answers."""


class Tracer:
    """Records one trace a request, after its end, from the times that the engine measured."""

    def __init__(self, exporter: Any = None, name: str = "stillroom") -> None:
        self._tracer: Any = None
        if exporter is not None:
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            self._provider = TracerProvider(resource=Resource({SERVICE_NAME: name}), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
            self._tracer = self._provider.get_tracer("stillroom.server")

    def request(self, model: str, reason: str, usage: "Usage", seconds: float) -> None:
        """A request that ended just now, `seconds` after its admission."""
        if self._tracer is None:
            return
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        end = time.time_ns()
        start = end - round(seconds * 1e9)
        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent.get() or ""})
        # The names are those of OpenTelemetry's conventions for generative models, as far as there are some.
        facts = {
            "gen_ai.request.model": model,
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
            "stillroom.request_id": request_id.get() or "",
            "stillroom.cached_tokens": usage.cached,
            "stillroom.forced_tokens": usage.forced,
            "stillroom.accepted_tokens": usage.accepted,
        }
        whole = self._tracer.start_span("llm_request", context=parent, start_time=start, attributes=facts)
        inside, place = set_span_in_context(whole), start
        for part, length in (
            ("queue", usage.queue_seconds), ("prefill", usage.prefill_seconds), ("decode", usage.decode_seconds),
        ):  # fmt: skip
            span = self._tracer.start_span(part, context=inside, start_time=place)
            place += round(length * 1e9)
            span.end(end_time=place)
        whole.end(end_time=end)

    def close(self) -> None:
        """Send what is left; a collector that does not answer holds nobody back."""
        if self._tracer is not None:
            last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
            last.start()
            last.join(CLOSE_SECONDS)


def tracer_to(endpoint: str | None, name: str) -> Tracer:
    """A tracer that sends to an OTLP collector over HTTP (such as http://collector:4318/v1/traces); None is off."""
    if endpoint is None:
        return Tracer()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UserError("Traces need OpenTelemetry: pip install 'stillroom[traces]'.") from error
    return Tracer(OTLPSpanExporter(endpoint=endpoint), name)
