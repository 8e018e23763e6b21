"""Training through a format's rounding: what is trained through is what is exported, and TRL notices nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.utils import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.export.export import export
from stillroom.export.gguf import tensor_names
from stillroom.files import read_jsonl, write_jsonl
from stillroom.recipe.model import Recipe
from stillroom.train import callbacks, precision, quantization_aware, setup
from stillroom.train.dpo import train_dpo
from stillroom.train.quantization_aware import QuantizationAware
from stillroom.train.sft import train_sft

ANIMALS = ("otter", "heron", "badger", "lynx", "marten", "plover", "stoat", "wren")
ROWS = [Row(f"{one}-{n}", f"The {one} " + "ran far " * n, one, "made") for one in ANIMALS for n in range(3)]
IDS = torch.tensor([[1, 9690, 198, 2683, 359, 253, 2]])


def recipe(**changes: Any) -> Recipe:
    document = {
        "name": "tiny",
        "instruction": "Which animal does the text name?",
        "data": {"sources": [{"kind": "csv", "path": "rows.csv"}]},
        "sft": {"epochs": 2, "batch_size": 4, "learning_rate": 0.003, "lora": {"rank": 4}},
        "dpo": {"pairs": 8, "batch_size": 4, "rules": ["prose_around"], "epochs": 2},
        "train": {"quantization_aware": "Q4_0", "quantization_aware_share": 0.5},
        "export": {"formats": ["Q4_0", "Q8_0", "Q4_K_M"]},
    }
    return Recipe.model_validate(document | changes)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    precision.fastest_dtype.cache_clear()
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


def adapted(base: Path, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """A model with a random adapter that changes it."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    config = LoraConfig(r=4, lora_alpha=8, **{"target_modules": "all-linear", "use_rslora": True} | options)
    wrapped = get_peft_model(model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return wrapped


def render(row: Row) -> tuple[str, str]:
    return f"<|im_start|>user\n{row.text}<|im_end|>\n<|im_start|>assistant\n", f"{row.label}<|im_end|>"


def from_file(base: Path, file: Path) -> Any:
    """A plain model with the weights of a GGUF file."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    stored = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(file).tensors}
    name_of = tensor_names("llama", model.config)
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            value = torch.from_numpy(stored[f"{name_of(path.removesuffix('.weight'))}.weight"].copy())
            if (count := heads.get(path.split(".")[-2])) is not None:
                value = value.reshape(count, -1, 2, value.shape[1]).transpose(1, 2).reshape(value.shape)
            parameter.copy_(value)
    return model


@pytest.mark.parametrize("format", ["Q4_0", "Q4_K_M"])
def test_what_is_trained_through_is_what_is_exported(narrow: Path, tmp_path: Path, format: Any) -> None:
    model = adapted(narrow, target_modules=["q_proj", "k_proj", "down_proj"])
    plain = model(IDS).logits
    model.save_pretrained(tmp_path / "adapter")
    aware = QuantizationAware(model, narrow, format)
    aware.on()
    found = model(IDS).logits
    wanted = recipe(train={"quantization_aware": format})
    described = export(wanted, narrow, tmp_path / "adapter", ROWS, render, tmp_path / "out")
    exported = from_file(narrow, tmp_path / "out" / f"tiny-{format}.gguf")
    torch.testing.assert_close(found, exported(IDS).logits, rtol=1e-4, atol=1e-4)
    assert (found - plain).abs().max() > 0.05, "the rounding takes effect"
    base = model.get_base_model()
    for path, parameter in exported.named_parameters():
        of_layer = base.get_submodule(path.rpartition(".")[0])
        held = (of_layer.get_base_layer() if hasattr(of_layer, "get_base_layer") else of_layer).weight
        torch.testing.assert_close(
            held.detach(), parameter.detach(), rtol=3e-7, atol=1e-9
        )  # see test_rounding_in_files
    assert described["quantization_aware"] == format
    weighed = {entry["format"]: entry["imatrix"] for entry in described["formats"]}
    assert weighed == {"F16": False, "Q8_0": False, "Q4_0": True, "Q4_K_M": True} | {format: False}
    aware.off()
    assert torch.equal(model(IDS).logits, plain)


def test_gradients_are_the_straight_through_estimators(narrow: Path) -> None:
    """Beside a model that adds the difference between rounded and merged weight to plain LoRA's forward."""
    model, written_out = adapted(narrow), adapted(narrow)
    aware = QuantizationAware(model, narrow, "Q4_0")
    aware.on()
    layers = dict(model.named_modules())
    with torch.no_grad():
        held = dict(model.named_parameters())
        for name, parameter in written_out.named_parameters():
            if "lora_" not in name and "base_layer" not in name:
                parameter.copy_(held[name])
    for name, layer in written_out.named_modules():
        if hasattr(layer, "lora_A"):
            base, rounded = layer.get_base_layer().weight, layers[name].get_base_layer().weight.detach().clone()

            def forward(x: Any, layer: Any = layer, base: Any = base, rounded: Any = rounded) -> Any:
                merged = base + layer.get_delta_weight("default")
                return torch.nn.functional.linear(x, merged + (rounded - merged).detach())

            layer.forward = forward
    for wrapped in (model, written_out):
        wrapped(input_ids=IDS, labels=IDS).loss.backward()
    expected = {name: p.grad for name, p in written_out.named_parameters() if p.grad is not None}
    assert len(expected) == 28
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-5)


def test_rounded_once_a_step(narrow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(narrow)
    aware = QuantizationAware(model, narrow, "Q4_0")
    aware.on()
    calls = []
    real = quantization_aware.rounded
    monkeypatch.setattr(quantization_aware, "rounded", lambda *args, **kw: calls.append(1) or real(*args, **kw))
    for _ in range(2):
        model(input_ids=IDS, labels=IDS).loss.backward()
    assert not calls
    torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    before = model.base_model.model.model.layers[0].mlp.up_proj.get_base_layer().weight.clone()
    for _ in range(2):
        model(input_ids=IDS, labels=IDS).loss.backward()
    assert len(calls) == 14
    assert not torch.equal(before, model.base_model.model.model.layers[0].mlp.up_proj.get_base_layer().weight)
    aware.refresh()
    model(IDS)
    assert len(calls) == 28
    with model.disable_adapter():
        model(IDS)
    assert len(calls) == 42


def test_a_bf16_model_is_rounded_from_its_fp32_weights(narrow: Path) -> None:
    exact, short = adapted(narrow), adapted(narrow, torch.bfloat16)
    set_peft_model_state_dict(short, {n: p for n, p in exact.state_dict().items() if "lora_" in n})
    before = {name: p.clone() for name, p in short.named_parameters()}
    switches = [QuantizationAware(model, narrow, "Q4_0") for model in (exact, short)]
    for switch in switches:
        switch.on()
    held = dict(exact.named_parameters())
    for name, parameter in short.named_parameters():
        if "norm" not in name:
            assert torch.equal(parameter, held[name].to(parameter.dtype)), name
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short(input_ids=IDS, labels=IDS).loss.backward()
    assert all(p.grad is not None and p.grad.dtype == p.dtype for p in short.parameters() if p.requires_grad)
    switches[1].off()
    assert all(torch.equal(p, before[name]) for name, p in short.named_parameters())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"lora_dropout": 0.1}, "set sft.lora.dropout to 0"),
        ({"target_modules": ["embed_tokens", "q_proj"]}, "embed_tokens: it is no LoRA adapter of a plain linear layer"),
    ],
)
def test_adapters_that_cannot_be_rounded(narrow: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        QuantizationAware(adapted(narrow, **options), narrow, "Q4_0")


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_jsonl(folder / "curves.jsonl") if "loss" in line]


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_shared_training_is_stock_training_through_the_rounding(
    narrow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recipe(train={"quantization_aware": "Q4_0", "quantization_aware_share": 1.0})
    shared = train_sft(whole, narrow, ROWS[:16], ROWS[16:], tmp_path / "shared")
    monkeypatch.setattr(setup, "share_prefixes", lambda model: None)
    train_sft(whole, narrow, ROWS[:16], ROWS[16:], tmp_path / "stock")
    # A weight on the edge between two values may be rounded to either side, so the runs part slowly.
    assert losses(tmp_path / "shared")[0] == pytest.approx(losses(tmp_path / "stock")[0], rel=1e-5)
    assert losses(tmp_path / "shared") == pytest.approx(losses(tmp_path / "stock"), rel=5e-3)
    assert losses(tmp_path / "shared")[-1] < losses(tmp_path / "shared")[0]
    assert shared["computed_tokens"] < 0.8 * shared["plain_tokens"]
    assert (shared["quantization_aware"], shared["rounded_from_step"]) == ("Q4_0", 0)


def test_resumed_is_uninterrupted_across_the_switch(
    narrow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = train_sft(recipe(), narrow, ROWS, [], tmp_path / "whole")
    assert (facts["steps"], facts["rounded_from_step"]) == (12, 6)
    train_sft(recipe(train={}), narrow, ROWS, [], tmp_path / "plain")
    assert losses(tmp_path / "plain")[:6] == losses(tmp_path / "whole")[:6], "plain up to the switch"
    assert losses(tmp_path / "plain")[6] != losses(tmp_path / "whole")[6]

    class Killed(BaseException):
        pass

    class Dying(callbacks.Progress):
        at = 0

        def update(self, done: int, note: str = "") -> None:
            if done == self.at:
                raise Killed
            super().update(done, note)

    for step in (5, 11):  # once before the switch, once behind it
        with monkeypatch.context() as patch:
            patch.setattr(Dying, "at", step)
            patch.setattr(callbacks, "Progress", Dying)
            with pytest.raises(Killed):
                train_sft(recipe(), narrow, ROWS, [], tmp_path / "killed")
    again = train_sft(recipe(), narrow, ROWS, [], tmp_path / "killed")
    assert again["resumed_from_step"] > 6
    assert losses(tmp_path / "killed") == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)
    torch.testing.assert_close(adapter(tmp_path / "killed"), adapter(tmp_path / "whole"), rtol=1e-5, atol=1e-7)


def test_dpo_and_its_reference_go_through_the_rounding(narrow: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    write_jsonl(
        pairs,
        (
            {"id": row.id, "text": row.text, "chosen": row.label, "rejected": f"Sure! {row.label}", "rule": "-"}
            for row in ROWS[:8]
        ),
    )
    curves = {}
    train_sft(recipe(), narrow, ROWS, [], tmp_path / "sft")
    for name, changes in {"aware": {}, "plain": {"train": {}}}.items():
        facts = train_dpo(recipe(**changes), narrow, tmp_path / "sft" / "adapter", pairs, tmp_path / name)
        curves[name] = list(read_jsonl(tmp_path / name / "curves.jsonl"))
        assert curves[name][0]["margin"] == pytest.approx(0, abs=1e-3), "it begins at the reference"
        assert facts.get("quantization_aware") == ("Q4_0" if name == "aware" else None)
    assert curves["aware"][0]["logps_chosen"] != pytest.approx(curves["plain"][0]["logps_chosen"], abs=1e-4)
    assert curves["aware"][-1]["margin"] > curves["aware"][0]["margin"]
    assert adapter(tmp_path / "aware").keys() == adapter(tmp_path / "sft").keys()
