"""The straight-through gradients are those of the estimator written out, and the phase begins where it should."""

import pytest
import torch

from stillroom.train.quantization_aware import StraightThrough, first_step


@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_are_those_of_the_written_out_estimator(with_bias: bool) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 64, requires_grad=True), torch.randn(48, 64)
    a, b = torch.randn(4, 64, requires_grad=True), torch.randn(48, 4, requires_grad=True)
    bias = torch.randn(48) if with_bias else None
    merged = weight + 1.7 * (b @ a)
    held = (merged * 4).round() / 4
    expected = torch.nn.functional.linear(x, merged + (held - merged).detach(), bias)
    found = StraightThrough.apply(x, held.detach(), bias, a, b, 1.7)
    torch.testing.assert_close(found, expected)
    slope = torch.randn_like(expected)
    written_out = torch.autograd.grad(expected, (x, a, b), slope)
    for one, other in zip(torch.autograd.grad(found, (x, a, b), slope), written_out, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_what_needs_no_gradient_gets_none() -> None:
    x, weight = torch.randn(3, 8), torch.randn(4, 8)
    a, b = torch.randn(2, 8, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    StraightThrough.apply(x, weight, None, a, b, 1.0).sum().backward()
    assert x.grad is None and a.grad is not None
    x.requires_grad_()
    (found,) = torch.autograd.grad(StraightThrough.apply(x, weight, None, a.detach(), b.detach(), 1.0).sum(), x)
    torch.testing.assert_close(found, weight.sum(0).expand(3, 8))


@pytest.mark.parametrize(
    ("steps", "share", "first"), [(10, 0.3, 7), (10, 1.0, 0), (1, 0.3, 0), (24, 0.5, 12), (5, 0.01, 4), (3, 0.3, 2)]
)
def test_the_last_share_of_the_steps(steps: int, share: float, first: int) -> None:
    assert first_step(steps, share) == first
