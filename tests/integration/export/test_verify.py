import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stillroom.errors import UserError
from stillroom.export import verify as module
from stillroom.export.verify import SAMPLE_TEXTS, verify

PROMPTS = [f"<|im_start|>user\nMail {n}: Treffen um 1{n}:00 Uhr<|im_end|>\n<|im_start|>assistant\n" for n in range(3)]
BOUND = 0.1


def without_digits(tokenizer: dict[str, Any]) -> None:
    tokenizer["pre_tokenizer"] = tokenizer["pre_tokenizer"]["pretokenizers"][1]


def without_merges(tokenizer: dict[str, Any]) -> None:
    del tokenizer["model"]["merges"][:20]


def special_token_eats_space(tokenizer: dict[str, Any]) -> None:
    for token in tokenizer["added_tokens"]:
        token["rstrip"] = True


def test_the_same_model(tiny: Path, tiny_gguf: Path) -> None:
    result = verify(tiny_gguf, tiny, ["明天 🎉 Grüße"], PROMPTS, BOUND)
    assert result["texts"] > len(SAMPLE_TEXTS) + len(PROMPTS)
    assert result["prompts"] == 3
    assert 3 <= result["answer_tokens"] <= 3 * module.MAX_ANSWER_TOKENS
    assert result["largest_gap"] <= BOUND


@pytest.mark.parametrize("change", [without_digits, without_merges, special_token_eats_space])
def test_another_tokenizer(
    tiny: Path, tiny_gguf: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "changed"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    change(tokenizer)
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        UserError, match=r"differs from Hugging Face's at token \d+ of .*GGUF has \d+ .*Hugging Face has"
    ):
        verify(tiny_gguf, other, [], PROMPTS, BOUND)


def test_other_weights(tiny: Path, tiny_gguf: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.mul_(1 + 0.3 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="answers differently from Hugging Face"):
        verify(tiny_gguf, tmp_path / "other", [], PROMPTS, BOUND)


def test_a_near_tie_is_counted(tiny: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_gaps", lambda *given: [[(0.0, 1), (0.05, 7)]])
    assert verify(tiny_gguf, tiny, [], PROMPTS[:1], BOUND)["near_ties"] == 1


def test_the_judgement_is_hugging_faces_own_greedy_answer(tiny: Path) -> None:
    """Greedy tokens made by Hugging Face have no gap; a wrong one has the gap between the logits."""
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    prompts, answers = [tokenizer(prompt).input_ids for prompt in PROMPTS], []
    for ids in prompts:
        done = model.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, eos_token_id=None)
        answers.append(done[0, len(ids) :].tolist())
    assert all(gap == 0 for row in module._gaps(tiny, prompts, answers) for gap, _ in row)
    right, answers[1][3] = answers[1][3], 11
    assert module._gaps(tiny, prompts, answers)[1][3][1] == right
    assert module._gaps(tiny, prompts, answers)[1][3][0] > 0
