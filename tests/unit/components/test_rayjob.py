"""The RayJob that ships says what the rest of the repository says."""

from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from components import IMAGE
from stillroom.cli.group import stillroom

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def job() -> Any:
    return YAML(typ="safe").load(ROOT / "infra" / "ray" / "rayjob.yaml")


def test_it_is_tried_once_and_ends_with_its_cluster(job: Any) -> None:
    spec = job["spec"]
    assert (spec["submissionMode"], spec["backoffLimit"]) == ("SidecarMode", 0)
    assert spec["shutdownAfterJobFinishes"] is True and spec["ttlSecondsAfterFinished"] > 0
    assert spec["activeDeadlineSeconds"] > 3600
    assert job["metadata"]["name"] == job["metadata"]["labels"]["app.kubernetes.io/instance"], "known beforehand"


def test_it_runs_the_image_and_the_ray_that_are_installed(job: Any) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"]["template"], *(group["template"] for group in cluster["workerGroupSpecs"])]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {IMAGE}
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_its_command_exists(job: Any) -> None:
    program, command, recipe = job["spec"]["entrypoint"].split()
    assert program == "stillroom" and command in stillroom.list_commands(click.Context(stillroom))
    (pod,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert any(recipe.startswith(mount["mountPath"] + "/") for mount in pod["volumeMounts"])


def test_one_worker_takes_one_machine(job: Any) -> None:
    (workers,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["rayStartParams"]["num-cpus"] == "1"
    assert job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is True
