"""Training on a tiny model: the same as stock TRL, resumable, and clear about what goes wrong."""

import errno
import json
import math
import re
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny_task import ROWS, adapter, losses, pairs, recipe

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.files import read_json, read_jsonl
from stillroom.train import callbacks, precision, setup
from stillroom.train.dpo import reference_drop, train_dpo
from stillroom.train.encode import Encoder
from stillroom.train.sft import train_sft


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    precision.fastest_dtype.cache_clear()
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


def test_shared_training_is_stock_training(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = train_sft(recipe(), tiny, ROWS[:16], ROWS[16:], tmp_path / "shared")
    monkeypatch.setattr(setup, "prepare_model", lambda model, autocast: None)
    train_sft(recipe(), tiny, ROWS[:16], ROWS[16:], tmp_path / "stock")
    assert losses(tmp_path / "shared") == pytest.approx(losses(tmp_path / "stock"), rel=2e-4)
    assert losses(tmp_path / "shared")[-1] < losses(tmp_path / "shared")[0]
    assert shared["computed_tokens"] < 0.6 * shared["plain_tokens"]
    assert any("validation_loss" in line for line in read_jsonl(tmp_path / "shared" / "curves.jsonl"))
    assert not (tmp_path / "shared" / "checkpoints").exists()


def test_shared_dpo_is_stock_dpo(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "sft")
    shared = train_dpo(recipe(), tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "shared")
    monkeypatch.setattr(setup, "prepare_model", lambda model, autocast: None)
    train_dpo(recipe(), tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "stock")
    one, other = (list(read_jsonl(tmp_path / name / "curves.jsonl")) for name in ("shared", "stock"))
    for line, wanted in zip(one, other, strict=True):
        for name in ("loss", "logps_chosen", "logps_rejected", "margin"):
            assert line[name] == pytest.approx(wanted[name], rel=2e-4, abs=2e-5), name
    assert adapter(tmp_path / "shared") == pytest.approx(adapter(tmp_path / "stock"), rel=1e-3, abs=1e-5)
    assert shared["computed_tokens"] < 0.5 * shared["plain_tokens"]


def test_resumed_is_uninterrupted(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "whole")

    class Killed(BaseException):
        pass

    class Dying(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            if done == 8:
                raise Killed
            super().update(done, note)

    monkeypatch.setattr(callbacks, "Progress", Dying)
    with pytest.raises(Killed):
        train_sft(recipe(), tiny, ROWS, [], tmp_path / "killed")
    monkeypatch.undo()
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)
    cut_short = tmp_path / "killed" / "checkpoints" / "checkpoint-99"
    cut_short.mkdir()
    (cut_short / "adapter_model.safetensors").write_bytes(b"the kill came in the middle of it")
    again = train_sft(recipe(), tiny, ROWS, [], tmp_path / "killed")
    assert again["resumed_from_step"] > 0
    assert losses(tmp_path / "killed") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    assert adapter(tmp_path / "killed") == pytest.approx(adapter(tmp_path / "whole"), rel=1e-4, abs=1e-6)


def test_a_checkpoint_of_another_recipe_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    class Dying(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            if done == 5:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "Progress", Dying)
        with pytest.raises(Killed):
            train_sft(recipe(), tiny, ROWS, [], tmp_path)
    before = sorted(tmp_path.rglob("*"))
    other = recipe(sft={**recipe().sft.model_dump(), "learning_rate": 0.001}, instruction="Is it spam?")
    with pytest.raises(UserError, match=r"another training.*sft.learning_rate is 0.001 here and 0.003 there.*remove"):
        train_sft(other, tiny, ROWS, [], tmp_path)
    with pytest.raises(UserError, match=r"another training.*the data is"):
        train_sft(recipe(), tiny, ROWS[1:], [], tmp_path)
    assert sorted(tmp_path.rglob("*")) == before, "nothing of it is touched"
    assert train_sft(recipe(train={"max_restarts": 9}), tiny, ROWS, [], tmp_path)["resumed_from_step"] == 3


def test_dpo_parts_chosen_from_rejected(tiny: Path, tmp_path: Path) -> None:
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "sft")
    facts = train_dpo(recipe(), tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "dpo")
    curve = list(read_jsonl(tmp_path / "dpo" / "curves.jsonl"))
    assert curve[0]["loss"] > 0 and curve[0]["margin"] == pytest.approx(0, abs=1e-3)  # it begins at the reference
    assert curve[-1]["margin"] > curve[0]["margin"]
    assert {"logps_chosen", "logps_rejected", "accuracy"} <= set(curve[0])
    assert facts["computed_tokens"] < facts["plain_tokens"]
    assert (tmp_path / "dpo" / "adapter" / "adapter_model.safetensors").is_file()
    assert read_json(tmp_path / "dpo" / "training.json") == facts


def test_dpo_stops_at_a_collapse(tiny: Path, tmp_path: Path) -> None:
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "sft")
    wild = recipe(dpo={"learning_rate": 0.5, "sft_weight": 0.0, "max_chosen_drop": 0.5, "batch_size": 2, "epochs": 4})
    with pytest.raises(UserError, match=r"DPO stopped at step \d+: the chosen answers' log-prob fell"):
        train_dpo(wild, tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "dpo")
    assert not (tmp_path / "dpo" / "training.json").exists()


def test_drop_is_in_nats() -> None:
    assert reference_drop({"rewards/chosen": -0.5}, beta=0.1) == pytest.approx(5)
    assert reference_drop({"loss": 1.0}, beta=0.1) is None


@pytest.mark.parametrize(
    ("targets", "named"),
    [
        (["nope"], "'nope'"),
        (["q_proj", "v_porj", "proj"], "'v_porj', 'proj'"),
        (["q_proj", "lm_head"], "'lm_head'"),  # TRL reads its weight alone
        (["input_layernorm"], "'input_layernorm'"),
        ("q_proj", "'q_proj'"),
        (".*self_attn.*", "'.*self_attn.*'"),
    ],
    ids=str,
)
def test_a_layer_that_the_model_has_not(tiny: Path, tmp_path: Path, targets: Any, named: str) -> None:
    with pytest.raises(UserError, match=f"modules: {re.escape(named)} names no layer of .*all-linear"):
        train_sft(recipe(sft={"lora": {"rank": 4, "target_modules": targets}}), tiny, ROWS, [], tmp_path)


def test_layers_by_a_pattern_and_the_embedding(tiny: Path) -> None:
    model = setup.load_model(tiny)
    for targets in (r".*layers\.1\..*[qv]_proj", ["self_attn.q_proj", "embed_tokens"], "all-linear"):
        assert setup.lora_config(recipe(sft={"lora": {"target_modules": targets}}), model)


def test_nothing_to_train_on(tiny: Path, tmp_path: Path) -> None:
    unlabelled = [Row("1", "text", None, "made")]
    with pytest.raises(UserError, match="There is nothing to train on"):
        train_sft(recipe(), tiny, unlabelled, [], tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_base_model_with_a_weight_that_is_no_number(tiny: Path, tmp_path: Path, value: float) -> None:
    copytree(tiny, tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        UserError, match=r"1 weights of the base model .*model hold NaN or Inf \(model\.layers\.1\.mlp\.up"
    ):
        train_sft(recipe(), tmp_path / "model", ROWS, [], tmp_path / "out")


def test_a_single_step_learns(tiny: Path, tmp_path: Path) -> None:
    single = {"epochs": 1, "batch_size": 8, "learning_rate": 0.003, "lora": {"rank": 4}}
    assert train_sft(recipe(sft=single), tiny, ROWS[:8], [], tmp_path)["steps"] == 1
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert all(float(weight.abs().max()) > 0 for name, weight in weights.items() if "lora_B" in name)


def test_a_row_longer_than_the_models_positions(tiny: Path, tmp_path: Path) -> None:
    """The rotary embedding would go on beyond what it has learned, without a word."""
    short = copytree(tiny, tmp_path / "short")
    config = read_json(short / "config.json")
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 80}))
    with pytest.raises(UserError, match=r"Row otter-0 has 8\d tokens, .* 80 positions. Write 80 or less for sft"):
        train_sft(recipe(), short, ROWS, [], tmp_path / "out")


@pytest.mark.parametrize("missing", ["eos_token", "chat_template"])
def test_a_tokenizer_that_lacks_what_training_needs(tiny: Path, tmp_path: Path, missing: str) -> None:
    tokenizer = setup.load_tokenizer(tiny)
    setattr(tokenizer, missing, None)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=f"has no {missing.replace('chat_', 'chat ')}"):
        setup.load_tokenizer(tmp_path)


def test_of_several_chat_templates_the_default_is_taken(tiny: Path, tmp_path: Path) -> None:
    tokenizer = setup.load_tokenizer(tiny)
    own = tokenizer.chat_template
    tokenizer.chat_template = {"tool_use": "another", "default": own}
    tokenizer.save_pretrained(tmp_path)
    assert setup.load_tokenizer(tmp_path).chat_template == own


def test_a_token_that_the_weights_do_not_know(tiny: Path, tmp_path: Path) -> None:
    copytree(tiny, tmp_path / "model")
    tokenizer = setup.load_tokenizer(tiny)
    tokenizer.add_tokens("otter")
    tokenizer.save_pretrained(tmp_path / "model")
    train_sft(recipe(), tmp_path / "model", ROWS[8:12], [], tmp_path / "without")
    with pytest.raises(UserError, match=r"Row otter-0 holds 'otter', token 49152 .* know only 49152 tokens"):
        train_sft(recipe(), tmp_path / "model", ROWS, [], tmp_path / "with")


def test_a_cut_sample_keeps_its_answer(tiny: Path) -> None:
    encoder = Encoder(recipe(sft={"max_tokens": 150}), setup.load_tokenizer(tiny))
    short = encoder.encode("The otter ran.", '{"category":"spam","word":"otter"}')
    long = encoder.encode("The otter ran. " * 100, '{"category":"spam","word":"otter"}')
    assert not short.cut and long.cut
    assert long.completion == short.completion
    assert len(long.prompt) + len(long.completion) <= 150
    assert (
        encoder.tokens(encoder.prompter.prefix)[:-1] == long.prompt[: len(encoder.tokens(encoder.prompter.prefix)) - 1]
    )


def test_a_loss_that_is_no_number_stops_the_training(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Training stopped at step \d+: the loss is nan"):
        train_sft(recipe(sft={"learning_rate": 1e30, "batch_size": 4, "epochs": 3}), tiny, ROWS, [], tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        Exception("No space left on device (os error 28)"),  # tokenizers
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 35139 vs 35092"),  # torch
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_disk_that_is_full(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It ends the training where a checkpoint does not fit; the checkpoint before it serves once there is room."""
    from transformers import Trainer

    save = Trainer._save_checkpoint

    def full(self: Any, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        if self.state.global_step > 3:
            raise error

    with monkeypatch.context() as patch, pytest.raises(UserError, match="The disk is full"):
        patch.setattr(Trainer, "_save_checkpoint", full)
        train_sft(recipe(), tiny, ROWS, [], tmp_path)
    assert not (tmp_path / "training.json").exists()
    assert train_sft(recipe(), tiny, ROWS, [], tmp_path)["resumed_from_step"] == 3


@pytest.mark.parametrize(
    ("sft", "weights"),
    [
        ({"loss": "full", "class_weights": {"spam": 3}}, {"spam": 3.0, "other": 1.0}),
        ({"lora": {"rank": 4, "use_dora": True}}, None),
        ({"lora": {"rank": 4, "use_rslora": True}, "class_weights": "balanced"}, {"spam": 16 / 22, "other": 16 / 10}),
    ],
    ids=["full and weighted", "DoRA", "rsLoRA and balanced"],
)
def test_options_of_the_loss_and_the_adapter_share_prefixes_too(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sft: dict[str, Any], weights: dict[str, float] | None
) -> None:
    varied = recipe(sft={"epochs": 1, "batch_size": 4, "learning_rate": 0.003, "lora": {"rank": 4}} | sft)
    shared = train_sft(varied, tiny, ROWS[:16], ROWS[16:], tmp_path / "shared")
    monkeypatch.setattr(setup, "prepare_model", lambda model, autocast: None)
    train_sft(varied, tiny, ROWS[:16], ROWS[16:], tmp_path / "stock")
    assert losses(tmp_path / "shared") == pytest.approx(losses(tmp_path / "stock"), rel=2e-4)
    assert shared["computed_tokens"] < 0.6 * shared["plain_tokens"]
    assert (shared["loss"], shared["class_weights"]) == (varied.sft.loss, weights)
    made = read_json(tmp_path / "shared" / "adapter" / "adapter_config.json")
    assert made["use_dora"] == varied.sft.lora.use_dora and made["use_rslora"] == varied.sft.lora.use_rslora


def test_dora_in_bf16_and_through_dpo(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the layers adapted: those outputs must have the dtype of the others."""
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.bfloat16)
    lora = {"rank": 4, "use_dora": True, "target_modules": ["q_proj", "down_proj"]}
    varied = recipe(sft={"epochs": 1, "batch_size": 4, "lora": lora})
    train_sft(varied, tiny, ROWS[:8], [], tmp_path / "sft")
    facts = train_dpo(varied, tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "dpo")
    assert facts["steps"] == 4 and facts["dtype"] == "bfloat16"


def test_the_validation_loss_is_the_answers_own_whatever_is_trained(tiny: Path, tmp_path: Path) -> None:
    def first(**sft: Any) -> float:
        varied = recipe(sft={"epochs": 1, "batch_size": 4, "learning_rate": 1e-9, **sft})
        folder = tmp_path / "-".join(sft) / "out"
        train_sft(varied, tiny, ROWS[:16], ROWS[16:], folder)
        return next(
            line["validation_loss"] for line in read_jsonl(folder / "curves.jsonl") if "validation_loss" in line
        )

    assert first(loss="full", class_weights={"spam": 9.0}) == pytest.approx(first(seed=0), rel=1e-5)
