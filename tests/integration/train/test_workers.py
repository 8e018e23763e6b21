"""Several workers take the steps that one takes, whatever the number of rows in a batch."""

from pathlib import Path
from typing import Any

import pytest
from several_workers import Start, dpo, finish, same_training, sft

from stillroom.files import read_json


@pytest.mark.parametrize("count", [2, 3])
def test_workers_together_are_one(start: Start, job: dict[str, Any], alone: Path, tmp_path: Path, count: int) -> None:
    adapter = alone / "sft" / "adapter"
    finish(start(count, sft(tmp_path / "sft"), dpo(tmp_path / "dpo", adapter, job["pairs"])))
    same_training(alone / "sft", tmp_path / "sft")
    same_training(alone / "dpo", tmp_path / "dpo")
    facts = read_json(tmp_path / "sft" / "training.json")
    assert facts["workers"] == count
    assert facts["computed_tokens"] < 0.8 * facts["plain_tokens"], "each worker shares its rows' prefix"
    assert not (tmp_path / "sft" / "checkpoints").exists()


def test_a_dead_worker_leaves_a_whole_checkpoint(start: Start, alone: Path, tmp_path: Path) -> None:
    """One is killed in the middle; the next workers, of another number, go on with the curve of an undisturbed run."""
    dying = start(2, sft(tmp_path / "killed") | {"dies": 1})
    codes = [worker.wait(timeout=120) for worker in dying]
    assert codes[1] == -9
    assert codes[0] != 0, "nobody goes on alone with half of the rows"
    finish(start(1, sft(tmp_path / "killed")))
    facts = read_json(tmp_path / "killed" / "training.json")
    assert (facts["resumed_from_step"], facts["workers"]) == (6, 1)
    same_training(alone / "sft", tmp_path / "killed")


@pytest.mark.parametrize(("kind", "rank", "where", "rows"), [("sft", 1, "forward", 1), ("dpo", 0, "backward", 2)])
def test_memory_that_runs_out_on_one_makes_all_take_less(
    start: Start, job: dict[str, Any], alone: Path, tmp_path: Path, kind: str, rank: int, where: str, rows: int
) -> None:
    """In the forward pass of one worker, or at the end of its backward pass, whose gradients must be gone again."""
    out = tmp_path / kind
    part = sft(out) if kind == "sft" else dpo(out, alone / "sft" / "adapter", job["pairs"])
    printed = finish(start(2, part | {"short_of_memory": {"rank": rank, "rows": rows, "where": where}}))
    same_training(alone / kind, out)
    assert read_json(out / "training.json")["rows_at_once"] == 1
    assert "Batches now run in portions of 1" in printed[0] and "portions of" not in printed[1]
