"""The figures have vLLM's names and types, so that its dashboards, autoscalers and gateways find them."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from prometheus_client.parser import text_string_to_metric_families
from scripted import live, saying, until

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
MODEL = {"model_name", "engine"}
GAUGES = {
    "vllm:num_requests_running": MODEL, "vllm:num_requests_waiting": MODEL, "vllm:kv_cache_usage_perc": MODEL,
    "vllm:lora_requests_info": {"max_lora", "running_lora_adapters", "waiting_lora_adapters"},
    "stillroom:threads": MODEL,
}  # fmt: skip
COUNTERS = {
    "vllm:prompt_tokens": MODEL, "vllm:generation_tokens": MODEL,
    "vllm:request_success": {*MODEL, "finished_reason"}, "vllm:prefix_cache_queries": MODEL,
    "vllm:prefix_cache_hits": MODEL, "vllm:num_preemptions": MODEL, "vllm:admission_rejections": {*MODEL, "reason"},
    "stillroom:schema_forced_tokens": MODEL, "stillroom:drafted_tokens": MODEL, "stillroom:accepted_tokens": MODEL,
    "stillroom:constraint_failures": MODEL, "stillroom:requests_cancelled": MODEL, "stillroom:texts_truncated": MODEL,
}  # fmt: skip
HISTOGRAMS = {
    f"vllm:{name}_seconds": {*MODEL}
    for name in ("time_to_first_token", "inter_token_latency", "e2e_request_latency", "request_queue_time",
                 "request_prefill_time", "request_decode_time")
}  # fmt: skip


def test_names_types_and_labels(tmp_path: Path) -> None:
    with live(tmp_path, saying("Hi")) as server:
        server.post(CHAT, HELLO)
        server.post(CHAT, {**HELLO, "model": "made-up"})
        until(lambda: 'finished_reason="stop",model_name="tiny"} 1.0' in server.client.get("/metrics").text)
        text = server.client.get("/metrics").text
    families = text_string_to_metric_families(text)
    found = {family.name: family for family in families if not family.name.endswith("_created")}
    for wanted, kind in ((GAUGES, "gauge"), (COUNTERS, "counter"), (HISTOGRAMS, "histogram")):
        for name, labels in wanted.items():
            family = found.pop(name)
            assert family.type == kind and family.documentation
            samples = family.samples
            assert all(set(sample.labels) - {"le"} == labels for sample in samples) and samples
            assert all(sample.labels.get("model_name", "tiny") in ("tiny", "other") for sample in samples)
            if kind == "counter":
                assert all(sample.name == f"{name}_total" for sample in samples)
    assert not found  # nothing is told that is not in the manual
    buckets = {float(sample.labels["le"]) for sample in _samples(text, "vllm:time_to_first_token_seconds_bucket")}
    assert {1.5, 2.0} < buckets  # between vLLM's 1 and 2.5, where objectives lie


def _samples(text: str, name: str) -> list[Any]:
    return [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
