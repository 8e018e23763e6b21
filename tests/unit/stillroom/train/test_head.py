"""The head's facts and slopes are those of plain logits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.train.shared_forward import HEAD_ROWS, HeadFacts, Shaping


def plain(hidden: torch.Tensor, weight: torch.Tensor, wanted: torch.Tensor, shaping: Shaping) -> list[torch.Tensor]:
    logits = hidden @ weight.T * shaping.scale
    if shaping.softcap is not None:
        logits = torch.tanh(logits / shaping.softcap) * shaping.softcap
    log_probs = torch.log_softmax(logits, -1)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    top = (logits.argmax(-1) == wanted).float()
    squares = (2 * log_probs).logsumexp(-1) if shaping.squares else torch.zeros_like(top)
    return [log_probs.gather(-1, wanted[:, None])[:, 0], entropy, logits.mean(-1), top, squares]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    positions=st.sampled_from([0, 1, 7, HEAD_ROWS, HEAD_ROWS + 1, 3 * HEAD_ROWS - 5]),
    shaping=st.builds(Shaping, st.sampled_from([1.0, 0.25]), st.sampled_from([None, 3.0]), st.booleans()),
)
def test_equals_plain_logits(seed: int, positions: int, shaping: Shaping) -> None:
    torch.manual_seed(seed)
    hidden = (torch.randn(positions, 12) * 3).requires_grad_()
    weight, wanted = torch.randn(31, 12), torch.randint(31, (positions,))
    found = HeadFacts.apply(hidden, weight, None, wanted, shaping)
    expected = plain(hidden, weight, wanted, shaping)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)
    slopes = torch.randn(positions)
    (one,) = torch.autograd.grad((found[0] * slopes).sum(), hidden)
    (other,) = torch.autograd.grad((expected[0] * slopes).sum(), hidden)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_bias_counts() -> None:
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(5, 12), torch.randn(31, 12), torch.randn(31)
    found = HeadFacts.apply(hidden, weight, bias, torch.arange(5), Shaping())[0]
    expected = torch.log_softmax(hidden @ weight.T + bias, -1)[torch.arange(5), torch.arange(5)]
    torch.testing.assert_close(found, expected)


def test_very_unlikely_words_stay_numbers() -> None:
    weight = torch.tensor([[1000.0], [-1000.0]], requires_grad=False)
    hidden = torch.ones(1, 1, requires_grad=True)
    log_prob, entropy, *_ = HeadFacts.apply(hidden, weight, None, torch.tensor([1]), Shaping())
    assert log_prob.item() == pytest.approx(-2000)
    assert entropy.item() == 0
    assert torch.isfinite(torch.autograd.grad(log_prob.sum(), hidden)[0]).all()
