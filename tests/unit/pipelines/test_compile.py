"""The committed YAML is what the source compiles to, and the pipeline has its shape."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components import IMAGE
from pipelines.compile import COMPILED, compile_specialist


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "specialist.yaml"
    compile_specialist(path)
    return path


@pytest.fixture(scope="module")
def pipeline(compiled: Path) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(compiled.read_text())
    return spec


def test_the_committed_pipeline_is_up_to_date(compiled: Path) -> None:
    assert compiled.read_text() == COMPILED.read_text(), (
        f"{COMPILED.name} is stale: run `python -m pipelines.compile` and commit what it writes"
    )


def test_only_a_model_that_passed_is_registered(pipeline: dict[str, Any]) -> None:
    tasks = pipeline["root"]["dag"]["tasks"]
    (conditional,) = [task for task in tasks.values() if "triggerPolicy" in task]
    assert "== 'passed'" in conditional["triggerPolicy"]["condition"]
    inside = pipeline["components"][conditional["componentRef"]["name"]]["dag"]["tasks"]
    assert list(inside) == ["register"]
    assert "register" not in tasks
    assert "report" in tasks, "the report is there for a rejected model too"


def test_every_step_runs_in_the_one_image_and_installs_nothing(pipeline: dict[str, Any]) -> None:
    executors = pipeline["deploymentSpec"]["executors"]
    assert len(executors) == 11
    for executor in executors.values():
        assert executor["container"]["image"] == IMAGE
        assert "pip install" not in str(executor["container"]["command"])
