"""The GGUF file and the Hugging Face model must be one model: same token ids, same greedy answers.

A GGUF file that is worse than its source, or never stops, nearly always has another tokenizer or another end token.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.export.llama import captured_log
from stillroom.export.prefix import SharedPrefix, common_prefix
from stillroom.machine import cpu_threads

# Texts on which tokenizers come apart: digits, spaces, accents, scripts without spaces, emoji, control characters.
SAMPLE_TEXTS = (
    "",
    " leading and trailing ",
    "Meet on 2026-11-23 at 09:30, room 4.07!",
    "a  b   c\t\td\n\n\n e\r\nf",
    "lists:\n\n1. one\n\n  22 two\t3½ ² ⅔",
    "Die Besprechung fällt aus – größere Räume für Öl & Übermut, 12,50 €.",
    "明天下午三点在会议室开会，请准时参加。",
    "🎉 Party 👩‍👩‍👧‍👦 at 8️⃣ 🇩🇪🇨🇳 e\u0301 \u00e9",
    '{"category":"event","events":[{"title":"Über 9000","time":null}]}',
    "don't we'll I'VE x_y-z /path\\to ...!!!???",
    "١٢٣ עברית ไทย 한국어 Ελληνικά",
    "\u00a0\u200b\ufeff\u2028zero\u0000width",
)

# How far apart two logits may lie and still count as a tie. Rounding weights, activations and the KV cache to 16 bit
# moves one logit by 0.05 in F16 and 0.5 in BF16 (99.9th percentile, SmolLM2-135M), and a tie has two of them.
NEAR_TIE = {"F16": 0.1, "BF16": 1.0}
MAX_ANSWER_TOKENS = 48


def verify(gguf: Path, hf: Path, texts: Sequence[str], prompts: Sequence[str], near_tie: float) -> dict[str, Any]:
    """Compare token ids on the sample texts and `texts`, and greedy answers to `prompts`; returns the counts.

    Every token of the GGUF file's greedy answers must be the one Hugging Face (fp32) finds likeliest at that place;
    where it is not, the two logits must lie within `near_tie`, else UserError. The result: {"texts", "tokens",
    "prompts", "answer_tokens", "near_ties", "largest_gap"}.
    """
    import llama_cpp
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(hf)
    prompt_ids: list[list[int]] = [tokenizer(prompt, add_special_tokens=False).input_ids for prompt in prompts]
    compared = [*SAMPLE_TEXTS, *_special_texts(tokenizer), *prompts, *texts]
    with captured_log() as errors:
        try:
            llama = llama_cpp.Llama(
                str(gguf),
                n_ctx=max(map(len, prompt_ids), default=0) + MAX_ANSWER_TOKENS + 1,
                n_threads=cpu_threads(),
                n_threads_batch=cpu_threads(),
                verbose=False,
            )
        except ValueError as error:
            raise UserError(f"llama.cpp does not load {gguf}: {'; '.join(errors) or error}") from error
        try:
            tokens = compare_tokens(llama, tokenizer, compared)
            answers = [_greedy(llama, ids) for ids in prompt_ids]
        finally:
            llama.close()
    gaps = _gaps(hf, prompt_ids, answers)
    for index, row in enumerate(gaps):
        for place, (gap, likeliest) in enumerate(row):
            if gap > near_tie:
                raise UserError(_answer_difference(tokenizer, prompts[index], answers[index], place, likeliest, gap))
    every_gap = [gap for row in gaps for gap, _ in row]
    return {
        "texts": len(compared),
        "tokens": tokens,
        "prompts": len(prompts),
        "answer_tokens": len(every_gap),
        "near_ties": sum(gap > 0 for gap in every_gap),
        "near_tie_bound": near_tie,
        "largest_gap": round(max(every_gap, default=0.0), 4),
    }


def compare_tokens(llama: Any, tokenizer: Any, texts: Sequence[str]) -> int:
    """Raise UserError at the first text whose token ids differ; returns how many tokens were compared."""
    count = 0
    for text in texts:
        expected = tokenizer(text, add_special_tokens=False).input_ids
        found = llama.tokenize(text.encode(), add_bos=False, special=True)
        if expected != found:
            raise UserError(_token_difference(tokenizer, text, expected, found))
        count += len(expected)
    return count


def _token_difference(tokenizer: Any, text: str, expected: list[int], found: list[int]) -> str:
    place = next(
        (place for place, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(found)),
    )

    def shown(ids: list[int]) -> str:
        pieces = [f"{token} {tokenizer.decode([token])!r}" for token in ids[place : place + 4]]
        return ", ".join(pieces) or "the end"

    return (
        f"The GGUF file's tokenizer differs from Hugging Face's at token {place} of {text[:80]!r}: "
        f"GGUF has {shown(found)}; Hugging Face has {shown(expected)}. "
        "The specialist would read other text than it was trained on, so it is not exported. Take another base model."
    )


def _answer_difference(tokenizer: Any, prompt: str, answer: list[int], place: int, likeliest: int, gap: float) -> str:
    said, wanted = tokenizer.decode([answer[place]]), tokenizer.decode([likeliest])
    return (
        "The GGUF file answers differently from Hugging Face. "
        f"After {tokenizer.decode(answer[:place])[-80:]!r} it says {said!r}, Hugging Face {wanted!r}, "
        f"whose logit is {gap:.2f} higher: no rounding explains that. The prompt ends in {prompt[-80:]!r}."
    )


def _special_texts(tokenizer: Any) -> list[str]:
    """Special tokens in the middle of text, as a chat template puts them."""
    return [f"before{token}after {token}\n" for token in tokenizer.all_special_tokens]


def _greedy(llama: Any, prompt: list[int]) -> list[int]:
    """The likeliest tokens after a prompt, with the end token where one comes."""
    import llama_cpp

    vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
    answer: list[int] = []
    for token in llama.generate(prompt, temp=0.0):
        answer.append(token)
        if len(answer) == MAX_ANSWER_TOKENS or llama_cpp.llama_vocab_is_eog(vocabulary, token):
            break
    return answer


def _gaps(hf: Path, prompts: list[list[int]], answers: list[list[int]]) -> list[list[tuple[float, int]]]:
    """For each answer token: how far Hugging Face's likeliest logit lies above its logit, and that likeliest token.

    All zero means that Hugging Face's own greedy answer is the same: each token was judged after the same tokens.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if not prompts:
        return []
    model: Any = AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32)
    gaps = []
    with torch.inference_mode():
        shared = common_prefix(prompts)
        prefix = SharedPrefix(model.base_model, prompts[0][:shared])
        for prompt, answer in zip(prompts, answers, strict=True):
            ids = torch.tensor([prompt[shared:] + answer[:-1]])
            states = prefix.hidden_states(ids, torch.ones_like(ids))[0, -len(answer) :]
            logits = model.get_output_embeddings()(states)
            chosen = logits.gather(1, torch.tensor(answer)[:, None])[:, 0]
            best = logits.max(1)
            gaps.append(list(zip((best.values - chosen).tolist(), best.indices.tolist(), strict=True)))
    return gaps
