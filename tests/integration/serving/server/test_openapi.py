"""The OpenAPI document is true: schemathesis sends what it allows and what not, and holds every answer against it."""

from collections.abc import Iterator

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("schemathesis", reason="it is a tool of development")

import hypothesis
import schemathesis
from schemathesis.core.control import SkipTest
from schemathesis.specs.openapi.checks import positive_data_acceptance
from scripted import Live, live, saying


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("served"), saying('{"kind":"spam","count":1}'), recipe=True) as server:
        yield server


SETTINGS = hypothesis.settings(
    max_examples=12, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_told(server: Live, mode: "schemathesis.GenerationMode") -> None:
    """positive: bodies that the document allows; negative: those that it does not.

    That two fields must fit each other (n and best_of, tool_choice and tools) cannot be told there, so what it allows
    may still be refused, in the shape that it tells of.
    """
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    schema.config.generation.update(modes=[mode])
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:

        @SETTINGS
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def check(case: "schemathesis.Case") -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        try:
            check()
        except (SkipTest, hypothesis.errors.Unsatisfiable):  # nothing can be wrong with an operation that takes nothing
            assert mode is schemathesis.GenerationMode.NEGATIVE
