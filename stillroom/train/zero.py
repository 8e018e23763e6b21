"""DeepSpeed's ZeRO, which cuts optimizer, gradients and (stage 3) weights into one part for each worker."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import stillroom
from stillroom.errors import UserError

CONFIGURATIONS = Path(stillroom.__file__).parents[1] / "infra" / "deepspeed"


def configuration(name: str) -> dict[str, Any]:
    """What a trainer's `deepspeed` argument takes for the recipe's `train.deepspeed`.

    Raises UserError where DeepSpeed is not installed.
    """
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        import deepspeed
    except ImportError as error:
        raise UserError(
            f"train.deepspeed ({name}) needs DeepSpeed, which is not installed: pip install 'stillroom[cluster]'"
        ) from error
    # It would compile a collective of its own for CPUs, for a minute at the first start; gloo's serves.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    config: dict[str, Any] = json.loads((CONFIGURATIONS / f"{name}.json").read_text(encoding="utf-8"))
    return config


@contextmanager
def whole(model: Any) -> Iterator[None]:
    """Let every worker see the trained weights, where they are cut into parts; all of them must ask."""
    if not partitioned(model):
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([p for p in model.parameters() if p.requires_grad]):
        yield


def partitioned(model: Any) -> bool:
    """Whether the model's weights are cut into parts, so that nothing can be computed before the engine is made."""
    return any(hasattr(parameter, "ds_id") for parameter in model.parameters())


def numel(parameter: Any) -> int:
    """Numbers in a weight, of which a worker may hold a part or none."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))
