from pathlib import Path

import gguf
import numpy
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stillroom.errors import UserError
from stillroom.export import imatrix
from stillroom.export.gguf_file import read_gguf
from stillroom.export.imatrix import importance
from stillroom.export.quantize import quantize

PREFIX = "<|im_start|>system\nFind the event in the mail.<|im_end|>\n<|im_start|>user\n"
TEXTS = [f"{PREFIX}{'Party on day ' * (1 + n % 3)}{n}{n * 7}.<|im_end|>\nanswer {n}" for n in range(20)]


@pytest.fixture(autouse=True)
def fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imatrix, "_dtype", lambda: torch.float32)


def plain_sums(tiny: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared inputs of one layer, one text at a time without padding: of the shared tokens and of all the others."""
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    inputs: list[torch.Tensor] = []
    model.get_submodule(name).register_forward_pre_hook(lambda module, given: inputs.append(given[0][0]))
    ids = [tokenizer(text).input_ids for text in TEXTS]
    shared = next(place for place in range(99) if len({row[place] for row in ids}) > 1)
    with torch.inference_mode():
        for row in ids:
            model(torch.tensor([row]))
    return inputs[0][:shared], torch.cat([values[shared:] for values in inputs])


@pytest.mark.parametrize(
    ("module", "tensor"),
    [
        ("model.layers.1.mlp.down_proj", "blk.1.ffn_down.weight"),
        ("model.layers.0.self_attn.q_proj", "blk.0.attn_q.weight"),
        ("model.layers.1.self_attn.o_proj", "blk.1.attn_output.weight"),
    ],
)
def test_shared_and_padded_equals_plain(tiny: Path, module: str, tensor: str) -> None:
    shared, own = plain_sums(tiny, module)
    expected = torch.cat([shared, own]).square().mean(0).numpy()
    measured = importance(tiny, TEXTS, "llama")
    numpy.testing.assert_allclose(measured.columns[tensor], expected, rtol=1e-3, atol=1e-9)
    assert measured.tokens == len(shared) + len(own)


def test_every_weight_but_the_embedding_has_an_entry_of_its_width(tiny: Path, tiny_gguf: Path) -> None:
    columns = importance(tiny, TEXTS, "llama").columns
    wide = {name: tensor for name, tensor in read_gguf(tiny_gguf).tensors.items() if len(tensor.shape) == 2}
    assert set(columns) == set(wide) - {"token_embd.weight"}
    assert all(values.shape == (wide[name].shape[0],) and (values > 0).all() for name, values in columns.items())


def test_the_budget_of_tokens_holds(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imatrix, "MAX_TOKENS", 100)
    measured = importance(tiny, TEXTS, "llama")
    assert measured.tokens <= 100
    assert 0 < measured.texts < len(TEXTS)


def test_an_architecture_without_names(tiny: Path) -> None:
    assert importance(tiny, TEXTS[:2], "no-such-architecture").columns == {}


def test_no_text(tiny: Path) -> None:
    with pytest.raises(UserError, match="at least one labelled"):
        importance(tiny, [], "llama")


@pytest.mark.parametrize("format", ["Q4_K_M", "Q4_0"])
def test_it_takes_effect(tiny: Path, tiny_gguf: Path, tmp_path: Path, format: str) -> None:
    """The file differs, and the error weighted by importance is smaller in every tensor taken together."""
    measured = importance(tiny, TEXTS, "llama")
    # A strong preference, as trained models have it and random ones do not.
    for values in measured.columns.values():
        values[::16] *= 100
    quantize(tiny_gguf, plain := tmp_path / "plain.gguf", format)  # type: ignore[arg-type]
    quantize(tiny_gguf, weighted := tmp_path / "weighted.gguf", format, measured)  # type: ignore[arg-type]
    source, without, within = (weights(path) for path in (tiny_gguf, plain, weighted))

    def error(quantised: dict[str, numpy.ndarray], name: str) -> float:
        return float((((quantised[name] - source[name]) ** 2) * measured.columns[name]).sum())

    names = sorted(measured.columns)
    assert sum(error(within, name) for name in names) < 0.9 * sum(error(without, name) for name in names)
    assert all(not numpy.array_equal(within[name], without[name]) for name in names)


def weights(path: Path) -> dict[str, numpy.ndarray]:
    return {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        for tensor in gguf.GGUFReader(path).tensors
        if tensor.name.startswith("blk.")
    }
