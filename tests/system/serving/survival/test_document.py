"""schemathesis against the real server: whatever its document allows or forbids, it answers as told and lives on.

The scripted engine is asked more (tests/integration/serving/server/test_openapi.py); here grammars, templates and token
ids reach the real one. SCHEMATHESIS_EXAMPLES sets how many cases each operation gets.
"""

import json
import os
from collections.abc import Callable

import httpx
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("schemathesis", reason="it is a tool of development")

import hypothesis
import schemathesis
from schemathesis.core.control import SkipTest
from schemathesis.specs.openapi.checks import positive_data_acceptance
from server_process import Process, metric, wait

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip


def test_whatever_the_document_allows_and_forbids(serve_tiny: Callable[..., Process]) -> None:
    server = serve_tiny("--slots", "4", "--context", "128", "--deadline", "5")
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    asked = 0
    for mode in schemathesis.GenerationMode:
        schema.config.generation.update(modes=[mode])
        for found in schema.get_all_operations():
            operation = found.ok()

            @SETTINGS
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def check(case: "schemathesis.Case") -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=60)

            try:
                check()
            except (SkipTest, hypothesis.errors.Unsatisfiable):  # an operation that takes nothing
                assert mode is schemathesis.GenerationMode.NEGATIVE
    print(f"{asked} requests by the document")
    wait(lambda: metric(server, "vllm:num_requests_running") == 0)
    assert httpx.get(f"{server.url}/health/live").status_code == 200
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert not [line for line in lines if "exception" in line or line.get("status") == 500]
