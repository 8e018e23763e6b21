"""Merge an adapter into its base model."""

import shutil
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.models.cache import whole_path

# What stands beside the weights and must reach the GGUF file unchanged.
TOKENIZER_FILES = ("tokenizer*", "chat_template*", "special_tokens_map.json", "vocab.*", "merges.txt")

LARGEST_F16 = 65504.0


def merge_adapter(base: Path, adapter: Path | None, out: Path) -> float:
    """Write the base model with the adapter merged in as a Hugging Face folder; returns the largest absolute weight.

    Merged and saved in fp32, so that rounding happens once, in the GGUF file. Without an adapter the base itself is
    written. Raises UserError for an adapter that does not fit, and for weights that are NaN or infinite.
    """
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tied = _shares_embedding(model)
    if adapter is not None:
        model = _merged(model, adapter, tied)
    largest = _largest_finite(model)
    if tied and not _shares_embedding(model):
        raise UserError(f"{adapter} unties the output layer from the embedding, which no GGUF file of {base} can hold.")
    with whole_path(out) as partial:
        model.save_pretrained(partial)
        for pattern in TOKENIZER_FILES:
            for file in base.glob(pattern):
                shutil.copyfile(file, partial / file.name)
    return largest


def _merged(model: Any, adapter: Path, tied: bool) -> Any:
    """The model with the adapter's products added to its weights, in fp32."""
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"{adapter} is not an adapter folder: it has no adapter_config.json.")
    try:
        wrapped = PeftModel.from_pretrained(model, adapter)
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        raise UserError(f"The adapter in {adapter} does not fit the base model: {error}") from error
    touched = [name for name, _ in wrapped.named_parameters() if "lora_" in name or "modules_to_save" in name]
    # With tied weights the product would be added to the embedding too, and the model would be another one.
    if tied and any("lm_head" in name or "embed_tokens" in name for name in touched):
        raise UserError(
            f"The adapter in {adapter} changes the output layer or the embedding, and this base model ties the two. "
            "Leave both out of sft.lora.target_modules."
        )
    return wrapped.merge_and_unload()


def _shares_embedding(model: Any) -> bool:
    output = model.get_output_embeddings()
    return output is not None and output.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def _largest_finite(model: Any) -> float:
    import torch

    largest = 0.0
    for name, weight in model.state_dict().items():
        if not bool(torch.isfinite(weight).all()):
            raise UserError(f"The merged weight {name} is NaN or infinite: training diverged. Lower the learning rate.")
        largest = max(largest, float(weight.abs().max()))
    return largest
