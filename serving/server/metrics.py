"""What Prometheus scrapes, under vLLM's names where vLLM has the figure, so that its dashboards and autoscalers work.

Counters and histograms are fed as requests end; gauges come from the engine's last snapshot, which costs it nothing.
Every label value is of a closed set: a model that nobody serves is `other`, whatever name a client made up.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from serving.engine.request import Usage

ENGINE = "0"
OTHER = "other"
MOST_ADAPTERS = 16
"""Loaded at once; each takes memory, and is a label."""
FINISHES = ("stop", "length", "abort", "error")
REJECTIONS = (
    "queued_requests",
    "queued_tokens",
    "draining",
    "deadline",
    "unknown_model",
    "too_long",
    "unsupported_schema",
    "invalid",
)
"""Why a request was not admitted. The first four mean load, the others mean the request."""

_TTFT = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 5, 10, 20, 40, 80, 160)
_TOKEN = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5)
_WHOLE = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 60, 120, 240, 480)


@dataclass(frozen=True)
class Gauges:
    """The engine's state at one moment. kv_usage is a share, 0 to 1."""

    running: int
    waiting: int
    kv_usage: float
    threads: int
    preemptions: int = 0
    adapters_running: Sequence[str] = ()
    adapters_waiting: Sequence[str] = ()


class Metrics(Collector):
    """The figures of one server.

    model: the served model's name. gauges: the engine's last snapshot, at once.
    """

    def __init__(self, registry: CollectorRegistry, model: str, gauges: Callable[[], Gauges]) -> None:
        self._model, self._gauges = model, gauges
        self._names = {model}
        labels = ("model_name", "engine")

        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(name, text, (*labels, *more), registry=registry)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._prompt = counter("vllm:prompt_tokens", "Prompt tokens of finished requests.")
        self._generation = counter("vllm:generation_tokens", "Tokens answered.")
        self._success = counter("vllm:request_success", "Requests that came to their end, by how.", "finished_reason")
        self._queries = counter("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix tree.")
        self._hits = counter("vllm:prefix_cache_hits", "Prompt tokens found there, and not computed.")
        self._rejections = counter("vllm:admission_rejections", "Requests that were not admitted.", "reason")
        self._forced = counter("stillroom:schema_forced_tokens", "Tokens that the schema forced; none was sampled.")
        self._drafted = counter("stillroom:drafted_tokens", "Tokens guessed ahead.")
        self._accepted = counter("stillroom:accepted_tokens", "Guessed tokens that were right.")
        self._failures = counter("stillroom:constraint_failures", "Answers that a grammar's limits ended.")
        self._cancelled = counter("stillroom:requests_cancelled", "Requests whose client went.")
        self._truncated = counter("stillroom:texts_truncated", "Texts that lost their end to the context's size.")
        self._ttft = histogram("vllm:time_to_first_token_seconds", "From admission to the first token.", _TTFT)
        self._itl = histogram("vllm:inter_token_latency_seconds", "Between two tokens of an answer.", _TOKEN)
        self._e2e = histogram("vllm:e2e_request_latency_seconds", "From admission to the last token.", _WHOLE)
        self._queue = histogram("vllm:request_queue_time_seconds", "In the queue.", _WHOLE)
        self._prefill = histogram("vllm:request_prefill_time_seconds", "From the queue to the first token.", _WHOLE)
        self._decode = histogram("vllm:request_decode_time_seconds", "From the first token to the last.", _WHOLE)
        self._plain: tuple[Counter | Histogram, ...] = (
            self._prompt, self._generation, self._queries, self._hits, self._forced, self._drafted, self._accepted,
            self._failures, self._cancelled, self._truncated, self._ttft, self._itl, self._e2e, self._queue,
            self._prefill, self._decode,
        )  # fmt: skip
        self._show(model)
        for reason in REJECTIONS:
            self._rejections.labels(OTHER, ENGINE, reason)
        registry.register(self)

    def known(self, names: Iterable[str]) -> None:
        """The adapters that are loaded now; they are labels of their own, beside the served model.

        The series of one that was unloaded go, else they would be ever more; what it still answers counts as `other`.
        """
        before, self._names = self._names, {self._model, *names}
        for name in self._names - before:
            self._show(name)
        for name in before - self._names:
            for metric in (*self._plain, self._success, self._rejections):
                metric.remove_by_labels({"model_name": name})

    def rejected(self, model: str, reason: str) -> None:
        """A request was refused before the engine took it; `reason` is one of REJECTIONS."""
        self._rejections.labels(*self._of(model), reason if reason in REJECTIONS else "invalid").inc()

    def first_token(self, model: str, seconds: float) -> None:
        """An answer began so long after its request was admitted."""
        self._ttft.labels(*self._of(model)).observe(seconds)

    def tokens(self, model: str, count: int, seconds: float) -> None:
        """So many further tokens of an answer came together, so long after those before."""
        histogram = self._itl.labels(*self._of(model))
        for _ in range(count):
            histogram.observe(seconds / count)

    def ended(self, model: str, reason: str, usage: "Usage", seconds: float) -> None:
        """A request is over: `reason` is one of FINISHES, `seconds` counts from its admission."""
        of = self._of(model)
        self._success.labels(*of, reason).inc()
        self._prompt.labels(*of).inc(usage.prompt)
        self._generation.labels(*of).inc(usage.completion)
        self._queries.labels(*of).inc(usage.prompt)
        self._hits.labels(*of).inc(usage.cached)
        self._forced.labels(*of).inc(usage.forced)
        self._drafted.labels(*of).inc(usage.drafted)
        self._accepted.labels(*of).inc(usage.accepted)
        if reason == "abort":
            self._cancelled.labels(*of).inc()
        if reason in ("stop", "length"):
            self._e2e.labels(*of).observe(seconds)
            self._queue.labels(*of).observe(usage.queue_seconds)
            self._prefill.labels(*of).observe(usage.prefill_seconds)
            self._decode.labels(*of).observe(usage.decode_seconds)

    def constraint_failed(self, model: str) -> None:
        """A grammar could not be followed to its end."""
        self._failures.labels(*self._of(model)).inc()

    def truncated(self, model: str) -> None:
        """A text lost its end."""
        self._truncated.labels(*self._of(model)).inc()

    def collect(self) -> Iterator[Metric]:
        """The gauges, as the engine last told them."""
        now, labels = self._gauges(), ["model_name", "engine"]
        values = (
            ("vllm:num_requests_running", "Requests that are being answered.", now.running),
            ("vllm:num_requests_waiting", "Requests in the queue.", now.waiting),
            ("vllm:kv_cache_usage_perc", "Share of the KV cells in use, 0 to 1.", now.kv_usage),
            ("stillroom:threads", "Threads that compute, by the CPU quota.", now.threads),
        )
        for name, text, value in values:
            family = GaugeMetricFamily(name, text, labels=labels)
            family.add_metric([self._model, ENGINE], value)
            yield family
        preempted = CounterMetricFamily(
            "vllm:num_preemptions", "Answers that made room for others and were begun again.", labels=labels
        )
        preempted.add_metric([self._model, ENGINE], now.preemptions)
        yield preempted
        info = GaugeMetricFamily(
            "vllm:lora_requests_info",
            "Adapters in use; the value is the time of the scrape.",
            labels=["max_lora", "running_lora_adapters", "waiting_lora_adapters"],
        )
        lists = [",".join(sorted(names)) for names in (now.adapters_running, now.adapters_waiting)]
        info.add_metric([str(MOST_ADAPTERS), *lists], time.time())
        yield info

    def _of(self, model: str) -> tuple[str, str]:
        return (model if model in self._names else OTHER), ENGINE

    def _show(self, model: str) -> None:
        """Let every series stand at zero from the start: a rate misses the event that makes a series appear."""
        of = (model, ENGINE)
        for metric in self._plain:
            metric.labels(*of)
        for finish in FINISHES:
            self._success.labels(*of, finish)
        for reason in REJECTIONS:
            self._rejections.labels(*of, reason)
