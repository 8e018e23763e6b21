"""SFT against stock TRL: same rows, same order, same loss; samples a second and peak memory at several shared prefixes.

    python -m benchmarks.train_sft                    # the whole table, about 40 minutes on two cores
    python -m benchmarks.train_sft --shared 300 --steps 2

Each contender trains in a process of its own, contenders in turn, with nothing else running. The first step of each is
not counted: it pays for choosing kernels. The last line is the summary; the exit status is 1 when a goal is missed.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import describe
from stillroom.machine import cpu_threads

GOALS = {0: 2.0, 100: 1.0, 300: 5.0, 800: 1.0}
"""Least speed-up over the best peer, by the number of shared tokens."""
CONTENDERS = ("stillroom", "trl-bf16", "trl-fp32")
BATCH = 16


def rows(tokenizer: Any, shared: int, count: int) -> list[dict[str, list[int]]]:
    """Generated e-mails with their answers, behind a prefix of exactly `shared` tokens."""
    from stillroom.data.synthetic import generate

    tell = "Read the e-mail and answer with JSON that follows the schema. "
    prefix = tokenizer(tell * (1 + shared // 8), add_special_tokens=False)["input_ids"][:shared]
    if shared == 0:  # the first tokens must differ too
        draw = random.Random(0)
    made = []
    for row in generate(count, 3, {"en": 1}):
        own = tokenizer(row.text + "\n\n", add_special_tokens=False)["input_ids"]
        answer = tokenizer(json.dumps(row.label, ensure_ascii=False), add_special_tokens=False)["input_ids"]
        first = [] if shared else [draw.randrange(1000, 40000)]
        prompt = prefix + first + own
        made.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return made


def train(contender: str, shared: int, steps: int, out: Path) -> dict[str, Any]:
    """Train `steps` counted steps as one contender; losses, seconds a step and peak memory in MiB."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.models.base import resolve_base_model
    from stillroom.train import setup
    from stillroom.train.bucketing import LengthBuckets

    torch.set_num_threads(cpu_threads())
    base = resolve_base_model("smollm2-135m-instruct")
    tokenizer = setup.load_tokenizer(base)
    data = rows(tokenizer, shared, BATCH * (steps + 1))
    ours, bf16 = contender == "stillroom", contender != "trl-fp32"
    if ours:
        model = setup.load_model(base)
        bf16 = model.dtype == torch.bfloat16
    else:
        # TRL's quickest ways here: PyTorch's fused attention, weights in the dtype of the products.
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if bf16 else torch.float32)
        model.config.use_cache = False
    taken: list[float] = []

    class Timed(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> LengthBuckets:
            return LengthBuckets([len(row["input_ids"]) for row in data], BATCH, 0)

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            loss = super().training_step(*args, **kwargs)
            taken.append(time.perf_counter() - start)
            return loss

    set_seed(0)
    trainer = Timed(
        model=model,
        args=SFTConfig(
            output_dir=str(out),
            per_device_train_batch_size=BATCH,
            max_steps=steps + 1,
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            bf16=bf16,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            max_length=None,
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    if ours and setup.prepare_model(trainer.model, bf16) is None:
        raise SystemExit("The prefix-shared forward does not fit this model.")
    trainer.train()
    return {
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "seconds": taken[1:],
        "samples_per_second": BATCH * steps / sum(taken[1:]),
        "tokens_per_second": sum(len(row["input_ids"]) for row in data) / len(data) * BATCH * steps / sum(taken[1:]),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", type=int, nargs="+", default=sorted(GOALS), help="lengths of the shared prefix, tokens"
    )
    parser.add_argument("--steps", type=int, default=2, help="steps that count, of 16 samples")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each contender")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/train_sft.json"))
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "SHARED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = train(options.one[0], int(options.one[1]), options.steps, options.out)
        print(json.dumps(found))
        return 0
    print(describe(), flush=True)
    table: list[dict[str, Any]] = []
    for shared in options.shared:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
        for _ in range(options.rounds):
            for name in CONTENDERS:
                command = [sys.executable, "-m", "benchmarks.train_sft", "--one", name, str(shared)]
                command += ["--steps", str(options.steps), "--out", "/tmp/benchmark-train"]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        for name, given in runs.items():
            line = {
                "shared": shared,
                "contender": name,
                "samples_per_second": median(run["samples_per_second"] for run in given),
                "tokens_per_second": median(run["tokens_per_second"] for run in given),
                "peak_mib": max(run["peak_mib"] for run in given),
                "last_loss": given[0]["losses"][-1],
            }
            table.append(line)
            print(
                f"{shared:4d} shared  {name:10s} {line['samples_per_second']:6.2f} samples/s "
                f"{line['tokens_per_second']:7.0f} tokens/s {line['peak_mib']:6.0f} MiB  loss {line['last_loss']}",
                flush=True,
            )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": describe(), "table": table}, indent=1))
    return summary(table)


def summary(table: list[dict[str, Any]]) -> int:
    """Print the speed-up over the best peer, the memory and the loss, by shared length; 1 when a goal is missed."""
    missed, parts = False, []
    for shared in dict.fromkeys(line["shared"] for line in table):
        lines = {line["contender"]: line for line in table if line["shared"] == shared}
        ours = lines.pop("stillroom")
        best = max(lines.values(), key=lambda line: line["samples_per_second"])
        faster = ours["samples_per_second"] / best["samples_per_second"]
        memory = ours["peak_mib"] / best["peak_mib"]
        apart = abs(float(ours["last_loss"]) / float(best["last_loss"]) - 1)
        good = faster >= GOALS.get(shared, 1.0) and memory <= 0.5 and apart <= 0.01
        missed = missed or not good
        parts.append(
            f"{shared} shared: {faster:.1f}x {best['contender']}, {memory:.2f} of its memory, loss {apart:.1%} apart"
        )
    print(("MISSED " if missed else "MET ") + "; ".join(parts))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
