"""Lets every test import the helpers that lie in this folder, and makes the models that several tiers share, once."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest
from tiny_llama import llama

# A busy machine is no fault of the code.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Give each of xdist's workers a processor of its own: two that both computed on all of them would take far longer
    than one after the other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})


LONGEST = (
    "test_ray_workers", "test_main_job", "test_workers", "test_zero", "test_sweep", "test_finance_sentiment",
    "test_specialist", "test_training", "test_rollout", "test_handbook_qa", "test_export_smollm2",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take about a minute or more go first: begun last, one would leave the other worker idle."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: torch and its friends are a million objects, which Python would look through
    again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers, as a Hugging Face folder."""
    return llama(tmp_path_factory.mktemp("tiny") / "model", hidden_size=256, intermediate_size=512)


@pytest.fixture(scope="session")
def tiny_f32(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its GGUF file in 32 bit: float sums differ in their order between batches, and that should flip few answers."""
    from stillroom.export.gguf import convert

    path = tmp_path_factory.mktemp("gguf") / "tiny-F32.gguf"
    convert(tiny, path, "F32", "tiny")
    return path
