"""What all stages have in common: the model with its adapter, the trainer's arguments, the run with its curves."""

import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users, write_json, write_jsonl
from stillroom.progress import say
from stillroom.recipe.model import Dpo, Pretrain, Recipe, Sft
from stillroom.report.words import duration
from stillroom.train import zero
from stillroom.train.identity import refuse_others
from stillroom.train.portions import sequences
from stillroom.train.shared_forward import CannotShare, TokenCount, share_prefixes
from stillroom.train.workers import ALONE, Workers

if TYPE_CHECKING:
    from stillroom.train.callbacks import KeepBest

CHECKPOINTS = "checkpoints"
"""Folder beside the adapter that an interrupted training goes on from; removed when training has ended."""
FACTS = "training.json"
"""What a training was and cost; written last, so that a folder that has it is whole."""


def load_tokenizer(base: Path) -> Any:
    """The base model's tokenizer, padding on the right as the prefix-shared forward wants it.

    Raises UserError where it has no chat template, or no mark that ends a text: answers would go on for ever.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="right")
    if isinstance(tokenizer.chat_template, dict):  # several by name; the GGUF file gets this one too
        tokenizer.chat_template = tokenizer.chat_template.get("default")
    missing = "chat template" if not tokenizer.chat_template else "eos_token" if tokenizer.eos_token is None else ""
    if missing:
        raise UserError(
            f"The tokenizer of {base} has no {missing}. Take the instruction-tuned model of the family, or write it "
            "into tokenizer_config.json."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(base: Path, workers: Workers = ALONE, four_bit: bool = False) -> Any:
    """The base model's weights in the dtype that trains fastest here; adapters over it stay in fp32.

    four_bit: hold its layers as QLoRA does, in bitsandbytes' nf4, with the constants quantised too. Raises UserError
    where that is asked for and bitsandbytes is not installed, and where a weight is no number.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from stillroom.train.precision import fastest_dtype, fastest_threads

    torch.set_num_threads(max(1, fastest_threads() // workers.here))
    options = {"quantization_config": _four_bit(fastest_dtype())} if four_bit else {}
    model = AutoModelForCausalLM.from_pretrained(base, dtype=fastest_dtype(), **options)
    model.config.use_cache = False
    # Said here, because a loss that is no number would be put down to the learning rate and to the rows.
    spoilt = [name for name, one in model.named_parameters() if one.is_floating_point() and not one.isfinite().all()]
    if spoilt:
        raise UserError(
            f"{len(spoilt)} weights of the base model {base} hold NaN or Inf ({spoilt[0]} is the first). Nothing "
            "can be trained on them: get the model anew, or choose another base_model."
        )
    return model


def _four_bit(compute_dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    from stillroom.train.precision import device

    try:
        import bitsandbytes  # noqa: F401 (transformers would fail with a message of its own)
    except ImportError as error:
        raise UserError(
            "train.qlora needs bitsandbytes, which is not installed: pip install 'stillroom[gpu]', or write false."
        ) from error
    if device() != "cuda":
        say("train.qlora is slow without an NVIDIA GPU: 4-bit weights are unpacked at each use. It saves memory alone.")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def lora_config(recipe: Recipe, model: Any) -> Any:
    """The adapter of the recipe, for PEFT.

    Raises UserError where it names something that is no layer of the model that can be adapted. PEFT passes over the
    name of a layer that is not there as long as it finds another, and that layer would stay as it was unnoticed.
    """
    from peft import LoraConfig
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    options = recipe.sft.lora
    head, modules = model.get_output_embeddings(), dict(model.named_modules())
    layers = [name for name, one in modules.items() if isinstance(one, Linear | Embedding | Conv1D) and one is not head]
    wanted = options.target_modules
    if isinstance(wanted, list):
        unknown = [name for name in wanted if not any(f".{layer}".endswith(f".{name}") for layer in layers)]
    else:  # one text is a pattern, and must fit nothing else
        fitting = [name for name in modules if re.fullmatch(wanted, name)]
        unknown = [wanted] if wanted != "all-linear" and not (fitting and set(fitting) <= set(layers)) else []
    if unknown:
        raise UserError(
            f"sft.lora.target_modules: {', '.join(map(repr, unknown))} names no layer of {recipe.base_model} that can "
            "carry an adapter. Write all-linear, or names such as q_proj and v_proj."
        )
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=options.target_modules,
        use_rslora=options.use_rslora,
        use_dora=options.use_dora,
        task_type="CAUSAL_LM",
    )


def trainer_arguments(section: Pretrain | Sft | Dpo, out: Path, samples: int) -> dict[str, Any]:
    """Arguments that the configurations of all stages share."""
    import torch

    from stillroom.train.precision import device, fastest_dtype

    steps = max(1, math.ceil(samples / section.batch_size) * section.epochs)
    return {
        "output_dir": str(out / CHECKPOINTS),
        "per_device_train_batch_size": section.batch_size,
        "per_device_eval_batch_size": section.batch_size,
        "num_train_epochs": section.epochs,
        "learning_rate": section.learning_rate,
        "lr_scheduler_type": "linear",
        # At the first step of a warm-up nothing is learned yet; a training of a few steps has none to spare.
        "warmup_steps": min(5, int(steps // 10)),
        "weight_decay": 0.0,
        # A specialist trains for a hundred steps or so. At 0.999 the large first gradients would still shrink its last.
        "adam_beta2": 0.95,
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would log a NaN loss as 0
        "save_steps": max(1, min(10, int(steps // 4))),  # a kill costs at most ten steps
        "save_total_limit": 2,  # the newest may be half-written when a kill comes
        "gradient_checkpointing": False,
        "bf16": fastest_dtype() is torch.bfloat16,
        "use_cpu": device() == "cpu",
        "seed": section.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
        "dataloader_pin_memory": False,
    }


def prepare_model(model: Any, autocast: bool) -> TokenCount | None:
    """Let a model that TRL has prepared share prefixes; says why where it cannot, and returns None.

    Adapters keep fp32 weights for the optimizer, but autocast feeds them bf16 activations: PEFT would convert every
    activation to fp32 for them, which costs more than their matrix products.
    """
    count: TokenCount | None = None
    try:
        count = share_prefixes(model)
    except CannotShare as reason:
        print(f"This model cannot share prefixes: {reason}. Training runs the plain forward.", flush=True)
    if autocast:
        for module in model.modules():
            if hasattr(module, "lora_A"):
                module.cast_input_dtype_enabled = False
    return count


def train(
    trainer: Any,
    task: str,
    out: Path,
    ids: list[str],
    identity: dict[str, Any],
    workers: Workers,
    best: "KeepBest | None" = None,
) -> dict[str, Any]:
    """Run a TRL trainer to its end, from the last whole checkpoint where there is one; write the adapter.

    trainer: with Portions in front. ids: the ids of the training data's rows. Returns the facts that both kinds of
    training record. Raises UserError when the loss is no longer a number, and where the checkpoint belongs to a
    training with another identity.
    """
    import torch

    from stillroom.train.callbacks import Watch
    from stillroom.train.trial import plan

    checkpoints = out / CHECKPOINTS
    trainer.ids = ids
    _refuse_rows(trainer)
    count, seconds = None, None
    if not zero.partitioned(trainer.model):  # else nothing can be tried before DeepSpeed's engine is made
        count = prepare_model(trainer.model, trainer.args.bf16)
        seconds = plan(trainer, _first_epoch(trainer, workers), count is not None)
        count = count or TokenCount()
        count.computed = count.plain = 0
    dtype = "bfloat16" if trainer.args.bf16 else "float32"
    place = f"on {torch.get_num_threads()} threads" if trainer.args.device.type == "cpu" else "on the GPU"
    if workers.count > 1:
        place = f"{place} of each of {workers.count} workers"
    if workers.first:
        time = f", about {duration(seconds)}" if seconds is not None else ""
        say(f"{task}: {len(ids)} rows in {dtype} {place}{time}.")
    trainer.add_callback(watch := Watch(task, checkpoints, trainer, identity, workers))
    if best is not None:
        trainer.add_callback(best)
    workers.restore(checkpoints)
    last = _last_whole(checkpoints, workers)
    if last:
        refuse_others(last, identity)
    with full_disk_is_the_users(out), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pin_memory.*")
        result = trainer.train(resume_from_checkpoint=str(last) if last else None)
        with zero.whole(trainer.model):
            if best is not None and workers.first:
                best.restore(trainer.model, trainer.state.global_step)
            if workers.first:
                trainer.model.save_pretrained(out / "adapter", selected_adapters=["default"])
    count = count or watch.count or TokenCount()
    tokens = workers.total(torch.tensor([count.computed, count.plain], device=trainer.args.device)).tolist()
    facts = {
        "steps": trainer.state.global_step,
        "samples": len(trainer.train_dataset),
        "seconds": round(result.metrics["train_runtime"], 2),
        "estimated_seconds": None if seconds is None else round(seconds, 2),
        "resumed_from_step": _step(last) if last else 0,
        "device": trainer.args.device.type,
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "workers": workers.count,
        "rows_at_once": trainer.rows_at_once or trainer.args.per_device_train_batch_size,
        "gradient_checkpointing": trainer.model.is_gradient_checkpointing,
        "trainable_parameters": sum(zero.numel(p) for p in trainer.model.parameters() if p.requires_grad),
        "computed_tokens": tokens[0],
        "plain_tokens": tokens[1],
    }
    if best is not None and best.best_step is not None:
        facts |= {"best_step": best.best_step, "stopped_early": best.stopped}
    return facts


def _refuse_rows(trainer: Any) -> None:
    """Raise UserError for the first row that the model cannot take: one with a token that it has no embedding for, or
    with more tokens than it has learned positions.

    A tokenizer may know more tokens than its model (Gemma's knows one for images), which harms nobody who uses none.
    Beyond their positions some models end in a number out of range, others go on and train what they cannot know.
    """
    tokenizer, config = trainer.processing_class, trainer.model.config.get_text_config()
    words, positions = config.vocab_size, getattr(config, "max_position_embeddings", None) or -1
    if len(tokenizer) <= words and positions < 0:
        return
    for id, example in zip(trainer.ids, trainer.train_dataset, strict=True):
        rows = sequences(example)
        highest, longest = max(map(max, rows)), max(map(len, rows))
        if highest >= words:
            raise UserError(
                f"Row {id} holds {tokenizer.convert_ids_to_tokens(highest)!r}, token {highest} of the base model's "
                f"tokenizer, and its weights know only {words} tokens. Take the tokenizer that belongs to the weights, "
                "or resize the model's embeddings to it."
            )
        if 0 < positions < longest:
            raise UserError(
                f"Row {id} has {longest} tokens, and the base model has learned {positions} positions. "
                f"Write {positions} or less for sft.max_tokens (pretrain.tokens, where raw text is read)."
            )


def _first_epoch(trainer: Any, workers: Workers) -> list[list[int]]:
    """The row numbers of the first epoch, batch by batch; of several workers those of this one, all with as many."""
    import torch

    with torch.random.fork_rng(devices=[]):
        order = list(trainer._get_train_sampler(trainer.train_dataset))
    size = trainer.args.per_device_train_batch_size
    batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
    shares = [(batch[workers.rank :: workers.count], math.ceil(len(batch) / workers.count)) for batch in batches]
    return [(share + batches[0])[:rows] for share, rows in shares]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _last_whole(checkpoints: Path, workers: Workers) -> Path | None:
    """The newest checkpoint that was written to its end; what a kill cut short is removed."""
    import shutil

    from stillroom.train.callbacks import WHOLE

    whole = []
    for checkpoint in checkpoints.glob("checkpoint-*"):
        if (checkpoint / WHOLE).exists():
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint, ignore_errors=True)  # workers on one machine may all be at it
    workers.wait()
    return max(whole, key=_step, default=None)


def write_training(out: Path, facts: dict[str, Any], curves: list[dict[str, Any]], workers: Workers) -> dict[str, Any]:
    """Write training.json and curves.jsonl and drop the checkpoints, which nobody needs after the end."""
    import shutil

    if workers.first:
        write_jsonl(out / "curves.jsonl", curves)
        write_json(out / FACTS, facts)
    workers.wait()
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return facts
