import json
import shutil
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.export import gguf
from stillroom.export.gguf import check_gguf, convert, read_metadata


def copied(tiny: Path, to: Path) -> Path:
    return Path(shutil.copytree(tiny, to / "model"))


def test_metadata(tiny: Path, tiny_gguf: Path) -> None:
    metadata = read_metadata(tiny_gguf)
    assert metadata["general.name"] == "tiny-mails"
    assert metadata["tokenizer.chat_template"] == (tiny / "chat_template.jinja").read_text()
    assert metadata["tokenizer.ggml.pre"] == "smollm"
    assert metadata["tokenizer.ggml.eos_token_id"] == 2


def test_a_good_file_loads(tiny_gguf: Path) -> None:
    assert "token_embd.weight" in check_gguf(tiny_gguf).tensors


@pytest.mark.parametrize(
    ("key", "value"),
    [("llama.attention.head_count", 0), ("llama.attention.head_count", 7), ("llama.block_count", 3)],
)
def test_nonsense_that_llama_cpp_dies_of_is_an_error(tiny_gguf: Path, tmp_path: Path, key: str, value: int) -> None:
    content = bytearray(tiny_gguf.read_bytes())
    # After the key stand its type (4 bytes) and its value.
    place = content.index(key.encode() + b"\x04\x00\x00\x00") + len(key) + 4
    content[place : place + 4] = value.to_bytes(4, "little")
    (path := tmp_path / "nonsense.gguf").write_bytes(content)
    check_gguf(path, load=False)
    with pytest.raises(UserError, match=r"llama\.cpp cannot use it"):
        check_gguf(path)


def test_a_hanging_load_is_an_error(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "PROBE_SECONDS", 0.01)
    with pytest.raises(UserError, match="did not load within"):
        check_gguf(tiny_gguf)


def test_unsupported_architecture(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path)
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["NoSuchForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="NoSuchForCausalLM is not supported"):
        convert(folder, tmp_path / "out.gguf", "F16")
    assert not [path for path in tmp_path.iterdir() if path != folder]


def test_a_weight_too_large_for_f16(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(tiny, tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 70000.0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="too large for F16"):
        convert(folder, tmp_path / "out.gguf", "F16")
    assert not (tmp_path / "out.gguf").exists()
