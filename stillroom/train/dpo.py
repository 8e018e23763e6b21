"""Preference training: the adapter learns to rank the gold answer above broken ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.errors import UserError
from stillroom.files import read_jsonl, sha256
from stillroom.recipe.model import Recipe

if TYPE_CHECKING:
    from stillroom.train.workers import Workers


def train_dpo(
    recipe: Recipe, base: Path, sft_adapter: Path, pairs: Path, out: Path, workers: "Workers | None" = None
) -> dict[str, Any]:
    """Go on with the SFT adapter under TRL's DPO loss; write adapter/, curves.jsonl and training.json into `out`.

    pairs: JSON Lines with text, chosen and rejected (answers as text). The reference is the SFT adapter itself; its
    log-probs are computed once, before the first step. workers: by default as the environment says. Raises UserError
    when the chosen answers' log-prob collapses.
    """
    from datasets import Dataset
    from peft import PeftModel
    from transformers import TrainerCallback, set_seed
    from trl import DPOConfig, DPOTrainer

    from stillroom.train import setup
    from stillroom.train.dealt_batches import SharesPairs, blank_pair
    from stillroom.train.encode import Encoder
    from stillroom.train.identity import identity
    from stillroom.train.portions import Portions
    from stillroom.train.quantization_aware import QuantizationAware, at_the_end
    from stillroom.train.workers import Workers, trainer_arguments
    from stillroom.train.zero import partitioned

    if recipe.dpo is None:
        raise UserError("The recipe has no dpo section, so there is no preference training to do.")
    workers = workers or Workers.of_environment()
    options, tokenizer = recipe.dpo, setup.load_tokenizer(base)
    encoder = Encoder(recipe, tokenizer)
    rows, ids = [], []
    for pair in read_jsonl(pairs):
        chosen = encoder.encode(pair["text"], pair["chosen"], pair["id"])
        # The longer answer decides how much of the text fits, so that both stand behind the same prompt.
        rejected = encoder.encode(pair["text"], pair["rejected"], pair["id"])
        prompt = min(chosen.prompt, rejected.prompt, key=len)
        rows.append({"prompt_ids": prompt, "chosen_ids": chosen.completion, "rejected_ids": rejected.completion})
        ids.append(pair["id"])
    if not rows:
        raise UserError(f"{pairs} holds no preference pair, so there is nothing to train on.")

    class SharedDPOTrainer(SharesPairs, Portions, DPOTrainer):
        def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
            return dataset  # the pairs are token ids already

        def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
            if not partitioned(self.model):
                setup.prepare_model(self.model, self.args.bf16)
            if self.workers.count > 1:
                return self.with_reference(dataset, batch_size)
            return super()._precompute_ref_logps(dataset, name, batch_size)

    class StopAtCollapse(TrainerCallback):
        first: float | None = None

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            drop = reference_drop(logs or {}, options.beta)
            if drop is not None and drop > options.max_chosen_drop:
                raise UserError(
                    f"DPO stopped at step {state.global_step}: the chosen answers' log-prob fell {drop:.1f} nats below "
                    f"where it began, more than dpo.max_chosen_drop ({options.max_chosen_drop:g}). The model is "
                    "unlearning its answers. Lower dpo.learning_rate, or raise dpo.sft_weight or dpo.beta."
                )

    SharedDPOTrainer.workers, SharedDPOTrainer.blank = workers, staticmethod(blank_pair)
    set_seed(options.seed)
    arguments = DPOConfig(
        **setup.trainer_arguments(options, out, len(rows)),
        **trainer_arguments(recipe.train, workers),
        beta=options.beta,
        loss_type=["sigmoid", "sft"] if options.sft_weight else ["sigmoid"],
        loss_weights=[1.0, options.sft_weight] if options.sft_weight else [1.0],
        precompute_ref_log_probs=True,
    )
    model = PeftModel.from_pretrained(
        setup.load_model(base, workers, recipe.train.qlora), sft_adapter, is_trainable=True
    )
    aware = None
    if recipe.train.quantization_aware:
        aware = QuantizationAware(model, base, recipe.train.quantization_aware)
        aware.on()  # before the trainer is made, which computes the reference's log-probs
    trainer = SharedDPOTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[StopAtCollapse(), *([at_the_end(aware, 1.0)] if aware else [])],
    )
    before = sha256(sft_adapter / "adapter_model.safetensors")
    of = identity(recipe, "dpo", [before, *rows])
    facts = setup.train(trainer, "train-dpo", out, ids, of, workers)
    if aware is not None:
        facts |= {"quantization_aware": recipe.train.quantization_aware}
    return setup.write_training(out, facts, _curves(trainer.state.log_history), workers)


def reference_drop(logs: dict[str, float], beta: float) -> float | None:
    """How far the chosen answers' mean log-prob lies below the reference's, in nats; None where it was not logged."""
    reward = logs.get("rewards/chosen")  # TRL logs beta × (log-prob − reference log-prob)
    return None if reward is None else -reward / beta


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {
        "step": "step", "epoch": "epoch", "loss": "loss", "logps/chosen": "logps_chosen",
        "logps/rejected": "logps_rejected", "rewards/margins": "margin", "rewards/accuracies": "accuracy",
        "rewards/chosen": "reward_chosen", "num_tokens": "tokens",
    }  # fmt: skip
    entries = [entry for entry in history if "loss" in entry]
    return [{new: entry[old] for old, new in names.items() if old in entry} for entry in entries]
