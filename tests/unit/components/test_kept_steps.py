"""What a training's step imports before it knows that there is something to do."""

import subprocess
import sys

PROGRAM = """
import sys
import components.ray_workers, stillroom.models.base, stillroom.track.step, stillroom.train.dpo, stillroom.train.sft
print([name for name in ("ray", "torch", "transformers") if name in sys.modules])
"""


def test_a_training_that_is_kept_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
