from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from stillroom.errors import UserError
from stillroom.export.merge import merge_adapter

IDS = torch.tensor([[1, 9690, 198, 2683, 359, 253, 2]])


def adapter(base: Path, out: Path, **options: Any) -> Any:
    """A random adapter with weights that change the model; returns the wrapped model."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, **{"target_modules": "all-linear"} | options))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
        if "magnitude" in name:
            parameter.data *= 0.5 + torch.rand_like(parameter)
    wrapped.save_pretrained(out)
    return wrapped.eval()


def logits(folder: Path) -> torch.Tensor:
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.float32
    with torch.inference_mode():
        return model(IDS).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["plain", "rsLoRA", "DoRA"])
def test_merged_equals_adapter(tiny: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    wrapped = adapter(tiny, tmp_path / "adapter", **options)
    largest = merge_adapter(tiny, tmp_path / "adapter", tmp_path / "merged")
    with torch.inference_mode():
        expected = wrapped(IDS).logits
    assert torch.allclose(logits(tmp_path / "merged"), expected, atol=1e-4)
    assert not torch.allclose(logits(tiny), expected, atol=1e-2)
    if options:
        merge_adapter(tiny, adapter_of_plain_lora(tiny, tmp_path), tmp_path / "plain")
        assert not torch.allclose(logits(tmp_path / "plain"), expected, atol=1e-2)
    assert 0.3 < largest < 2


def adapter_of_plain_lora(tiny: Path, folder: Path) -> Path:
    adapter(tiny, folder / "lora")
    return folder / "lora"


def test_tokenizer_template_and_tied_weights_are_kept(tiny: Path, tmp_path: Path) -> None:
    merge_adapter(tiny, None, out := tmp_path / "merged")
    assert torch.equal(logits(out), logits(tiny))
    assert AutoTokenizer.from_pretrained(out).chat_template == AutoTokenizer.from_pretrained(tiny).chat_template
    assert (out / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    model: Any = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_diverged_adapter(tiny: Path, tmp_path: Path) -> None:
    wrapped = adapter(tiny, tmp_path / "adapter")
    parameter = next(value for name, value in wrapped.named_parameters() if "lora_B" in name)
    parameter.data[0, 0] = float("nan")
    wrapped.save_pretrained(tmp_path / "adapter")
    with pytest.raises(UserError, match="training diverged"):
        merge_adapter(tiny, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_adapter_of_the_tied_output_layer(tiny: Path, tmp_path: Path) -> None:
    adapter(tiny, tmp_path / "adapter", target_modules=["lm_head", "q_proj"])
    with pytest.raises(UserError, match="ties the two"):
        merge_adapter(tiny, tmp_path / "adapter", tmp_path / "merged")


def test_no_adapter_there(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        merge_adapter(tiny, tmp_path, tmp_path / "merged")


def test_adapter_of_another_model(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter(tiny, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: value.repeat(1, 2) for name, value in load_file(file).items()}, file, {"format": "pt"})
    with pytest.raises(UserError, match="does not fit the base model"):
        merge_adapter(tiny, tmp_path / "adapter", tmp_path / "merged")
