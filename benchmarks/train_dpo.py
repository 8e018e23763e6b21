"""DPO against stock TRL: same pairs, same loss; pairs a second and peak memory at several shared prefixes.

    python -m benchmarks.train_dpo                    # the whole table, about 15 minutes on two cores
    python -m benchmarks.train_dpo --shared 300 --steps 1

The reference's log-probs are computed before the first step, by every contender, and are not counted. Each trains in a
process of its own, contenders in turn, with nothing else running. The last line is the summary; the exit status is 1
when a goal is missed.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.contender import TARGETS, Timed, arguments, load, result, rows_at_once, within_memory
from benchmarks.mails import mails

GOALS = {0: 4.0, 100: 4.0, 300: 4.0, 800: 4.0}
"""Least speed-up over the best peer, by the number of shared tokens."""
CONTENDERS = {
    contest.OURS: (0, 100, 300, 800),
    "trl-bf16": (0, 100, 300, 800),
    **dict.fromkeys(contest.IN_FP32, (0,)),
}
"""Where each contender runs. TRL 1.16 has no DPO without padding: it ignores `padding_free` with a warning.

A DPO loss is a small difference of large sums. Rounding to bf16 moves it by some per cent, ours and TRL's alike, so
whether both learn the same is asked in fp32.
"""
BATCH = 8


def train(contender: str, shared: int, steps: int, out: Path) -> dict[str, Any]:
    """Train `steps` counted steps as one contender; the rejected answer of a mail is the next mail's."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import DPOConfig, DPOTrainer

    from stillroom.models.base import resolve_base_model
    from stillroom.train import setup

    tokenizer = setup.load_tokenizer(resolve_base_model("smollm2-135m-instruct"))
    model, bf16 = load(contender)
    made = mails(tokenizer, shared, BATCH * (steps + 1))
    rows = [
        {"prompt_ids": prompt, "chosen_ids": answer, "rejected_ids": made[place - 1][1]}
        for place, (prompt, answer) in enumerate(made)
    ]

    class Trainer(Timed, DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset  # the pairs are token ids already

        def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
            if contest.is_ours(contender) and setup.prepare_model(self.model, bf16) is None:
                raise SystemExit("The prefix-shared forward does not fit this model.")
            return super()._precompute_ref_logps(*args, **kwargs)

    set_seed(0)
    at_once = max(1, rows_at_once(contender, shared, 2 * BATCH) // 2)  # a pair is two rows
    with within_memory():
        trainer = Trainer(
            model=model,
            args=DPOConfig(**arguments(BATCH, at_once, steps, bf16, out), precompute_ref_log_probs=True),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=LoraConfig(**TARGETS),
        )
        trainer.train()
    tokens = sum(2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in rows)
    return result(trainer, BATCH, tokens * BATCH // len(rows))


if __name__ == "__main__":
    sys.exit(contest.main(__doc__, "benchmarks.train_dpo", CONTENDERS, train, GOALS))
