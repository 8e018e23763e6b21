"""Layers that read and write memory less often on a CPU, with the same result.

Besides its matrix products a layer spends its time on passes over activations that do not fit the caches, and it keeps
what each of those passes made for the backward pass. Here the adapter's product is added by the matrix product itself,
norms and gated activations go through memory once, a few rows at a time, and keep only what they were given. Whether a
module does what its replacement does is tried, not looked up.
"""

import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stillroom.train.zero import partitioned

ROWS = 512
"""Rows that a chain of elementwise steps takes at a time: few enough that what one step made is still in the cache for
the next, and enough that threads, which wait for one another after each step, seldom do."""


def fuse(model: nn.Module) -> Callable[[], None]:
    """Let the layers of a model that can run fused do so where they are given a CPU's tensors; returns the undoing.

    Layers whose forward something else has replaced already are left alone, and so is a model in parts (ZeRO-3).
    """
    changed: list[nn.Module] = []
    for module in [] if partitioned(model) else model.modules():
        if "forward" in vars(module):
            continue
        forward = _forward_of(module)
        if forward is not None:
            module.forward = types.MethodType(forward, module)
            changed.append(module)

    def undo() -> None:
        for module in changed:
            vars(module).pop("forward", None)

    return undo


def _forward_of(module: nn.Module) -> Callable[..., Tensor] | None:
    """The fused forward of a module, None where there is none."""
    if _is_plain_lora(module):
        return _lora_forward
    if _is_gated(module) and _same(module, _gated_forward, module.gate_proj.in_features):  # type: ignore[union-attr, arg-type]
        return _gated_forward
    if type(module).__name__.endswith("RMSNorm"):
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() == 1 and not weight.requires_grad:
            for forward in (_norm_forward, _norm_forward_from_one):
                if _same(module, forward, len(weight)):
                    return forward
    return None


@torch.no_grad()
def _same(module: nn.Module, forward: Callable[..., Tensor], size: int) -> bool:
    """Whether a forward gives what the module's own does, for two made-up rows."""
    weight = next(module.parameters())
    try:
        rows = torch.randn(2, size, generator=torch.Generator().manual_seed(0)).to(weight.device, weight.dtype)
        expected, found = module(rows), forward(module, rows)
    except Exception:  # whatever it is that this module wants, it is not one that can be replaced
        return False
    return expected.shape == found.shape and torch.allclose(found, expected, rtol=1e-2, atol=1e-4)


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(begin, begin + ROWS) for begin in range(0, rows, ROWS))


def _flat(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, tensor.shape[-1])


def _shaped(result: Tensor, shape: Sequence[int]) -> Tensor:
    """A result that nobody else holds, in its shape. It must be no view: some models write into what a layer returns,
    and autograd refuses that for a view that a function of one's own made."""
    shaped: Tensor = torch.ops.aten._unsafe_view(result, shape)
    return shaped


# The adapter


def _is_plain_lora(module: Any) -> bool:
    from peft.tuners.lora.layer import Linear

    return (
        type(module) is Linear
        and type(module.get_base_layer()) is nn.Linear
        and not module.lora_variant
        and not any(module.lora_bias.values())
        and all(isinstance(dropout, nn.Identity) for dropout in module.lora_dropout.values())
    )


def _lora_forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    factors = None if args or kwargs else _factors(self, x)
    if factors is None:
        return type(self).forward(self, x, *args, **kwargs)  # type: ignore[no-any-return]
    return LoraProduct.apply(x.to(factors[0].dtype), *factors)  # type: ignore[no-untyped-call, no-any-return]


def _factors(lora: Any, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor, float] | None:
    """W, bias, A, B and the scale of the one adapter that is on; None where the layer has to do more with `x`."""
    names = [] if lora.disable_adapters else [name for name in lora.active_adapters if name in lora.lora_A]
    base = lora.get_base_layer()
    if lora.merged or len(names) != 1 or x.device.type != "cpu" or base.weight.requires_grad:
        return None
    if not torch.is_autocast_enabled("cpu") and x.dtype != base.weight.dtype:
        return None
    (name,) = names
    return base.weight, base.bias, lora.lora_A[name].weight, lora.lora_B[name].weight, lora.scaling[name]


class LoraProduct(torch.autograd.Function):
    """x Wᵀ + bias + scale · (x Aᵀ) Bᵀ; W is frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        """x: (..., columns). weight: (rows, columns). a: (rank, columns). b: (rows, rank)."""
        flat = _flat(x)
        with torch.autocast("cpu", enabled=False):
            result, low = _lora_product(flat, weight, bias, a, b, scale)
        ctx.save_for_backward(flat, low, weight, a, b)
        ctx.scale = scale
        return _shaped(result, (*x.shape[:-1], len(weight)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        flat, low, weight, a, b = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            slopes = _flat(slope).to(weight.dtype)
            low_slope, of_b = _lora_slopes(slopes, low, b, ctx.scale)
            of_a = (low_slope.T @ flat).to(a.dtype)
            of_x = None
            if ctx.needs_input_grad[0]:
                of_x = _input_slope(slopes, low_slope, weight, a).view(*slope.shape[:-1], -1)
        return of_x, None, None, of_a, of_b, None


def _lora_product(
    x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """The product, and x Aᵀ, which the backward pass needs."""
    low = x @ a.to(x.dtype).T
    return nn.functional.linear(x, weight, bias).addmm_(low, b.to(x.dtype).T, alpha=scale), low


def _lora_slopes(slopes: Tensor, low: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The gradients of x Aᵀ and of B."""
    return (slopes @ b.to(slopes.dtype)).mul_(scale), (slopes.T @ low).mul_(scale).to(b.dtype)


def _input_slope(slopes: Tensor, low_slope: Tensor, weight: Tensor, a: Tensor) -> Tensor:
    return (slopes @ weight).addmm_(low_slope, a.to(weight.dtype))


# Gated activations


def _is_gated(module: nn.Module) -> bool:
    parts = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")]
    return all(isinstance(part, nn.Module) for part in parts) and "silu" in type(parts[3]).__name__.lower()


def _gated_forward(self: Any, x: Tensor) -> Tensor:
    gate, up = self.gate_proj(x), self.up_proj(x)
    if gate.device.type != "cpu" or gate.dtype != up.dtype:
        result: Tensor = self.down_proj(self.act_fn(gate) * up)
        return result
    down = self.down_proj
    factors = _factors(down, gate) if getattr(down.forward, "__func__", None) is _lora_forward else None
    if factors is not None and factors[0].dtype == gate.dtype:
        return GatedLoraProduct.apply(gate, up, *factors)  # type: ignore[no-untyped-call, no-any-return]
    return down(GatedSilu.apply(gate, up))  # type: ignore[no-untyped-call, no-any-return]


class GatedSilu(torch.autograd.Function):
    """silu(gate) · up, keeping its two inputs alone."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        """gate, up: (..., size)."""
        ctx.save_for_backward(gate, up)
        return _shaped(_gated(_flat(gate), _flat(up)), gate.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors  # once: under gradient checkpointing they are computed when they are asked for
        shape, gate, up, slope = gate.shape, _flat(gate), _flat(up), _flat(slope)
        of_gate, of_up = torch.empty_like(gate), torch.empty_like(up)
        for rows in _chunks(len(gate)):
            silu = nn.functional.silu(gate[rows])
            _gate_slopes(gate[rows], up[rows], silu, slope[rows], of_gate[rows], of_up[rows])
        return of_gate.view(shape), of_up.view(shape)


class GatedLoraProduct(torch.autograd.Function):
    """LoraProduct of silu(gate) · up, which is not kept: a fifth of what a layer keeps, and soon made again."""

    @staticmethod
    def forward(
        ctx: Any, gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        """gate, up: (..., columns). weight: (rows, columns). a: (rank, columns). b: (rows, rank)."""
        with torch.autocast("cpu", enabled=False):
            result, low = _lora_product(_gated(_flat(gate), _flat(up)), weight, bias, a, b, scale)
        ctx.save_for_backward(gate, up, low, weight, a, b)
        ctx.scale = scale
        return _shaped(result, (*gate.shape[:-1], len(weight)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        gate, up, low, weight, a, b = ctx.saved_tensors
        shape, gate, up = gate.shape, _flat(gate), _flat(up)
        of_gate, of_a = torch.empty_like(gate), torch.zeros_like(a)
        with torch.autocast("cpu", enabled=False):
            slopes = _flat(slope).to(weight.dtype)
            low_slope, of_b = _lora_slopes(slopes, low, b, ctx.scale)
            of_product = _input_slope(slopes, low_slope, weight, a)
            for rows in _chunks(len(gate)):
                silu = nn.functional.silu(gate[rows])
                of_a += low_slope[rows].T @ (silu * up[rows])
                _gate_slopes(gate[rows], up[rows], silu, of_product[rows], of_gate[rows], of_product[rows])
        return of_gate.view(shape), of_product.view(shape), None, None, of_a, of_b, None


def _gated(gate: Tensor, up: Tensor) -> Tensor:
    result = torch.empty_like(gate)
    for rows in _chunks(len(gate)):
        torch.mul(nn.functional.silu(gate[rows]), up[rows], out=result[rows])
    return result


def _gate_slopes(gate: Tensor, up: Tensor, silu: Tensor, slope: Tensor, of_gate: Tensor, of_up: Tensor) -> None:
    """Fill in the gradients of some rows; `of_up` may be the slope itself."""
    torch.ops.aten.silu_backward.grad_input(slope * up, gate, grad_input=of_gate)
    torch.mul(slope, silu, out=of_up)


# Norms


def _norm_forward(self: Any, x: Tensor) -> Tensor:
    """As Llama's: the weight is the factor, after the norm was rounded to the input's dtype."""
    return _normed(self, x, from_one=False)


def _norm_forward_from_one(self: Any, x: Tensor) -> Tensor:
    """As Gemma's: the factor is one more than the weight, and all is rounded once."""
    return _normed(self, x, from_one=True)


def _normed(self: Any, x: Tensor, from_one: bool) -> Tensor:
    if x.device.type != "cpu" or self.weight.requires_grad:
        return type(self).forward(self, x)  # type: ignore[no-any-return]
    epsilon = getattr(self, "variance_epsilon", None) or self.eps
    return RootMeanSquareNorm.apply(x, self.weight, epsilon, from_one)  # type: ignore[no-untyped-call, no-any-return]


class RootMeanSquareNorm(torch.autograd.Function):
    """x / √(mean x² + ε) times a frozen weight, in fp32 inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, from_one: bool) -> Tensor:
        """x: (..., size). weight: (size,)."""
        flat = _flat(x)
        factor = 1 + weight.float() if from_one else weight
        result, inverse = torch.empty_like(flat), torch.empty(len(flat), 1)
        for rows in _chunks(len(flat)):
            wide = flat[rows].float()
            torch.linalg.vecdot(wide, wide, out=inverse[rows, 0])
            inverse[rows].div_(flat.shape[-1]).add_(epsilon).rsqrt_()
            normed = wide * inverse[rows]
            result[rows] = normed * factor if from_one else normed.to(flat.dtype) * factor
        ctx.save_for_backward(flat, inverse, factor)
        return _shaped(result, x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        flat, inverse, factor = ctx.saved_tensors
        slopes, result = slope.reshape(flat.shape), torch.empty_like(flat)
        factor = factor.float()
        for rows in _chunks(len(flat)):
            normed = flat[rows] * inverse[rows]
            through = slopes[rows] * factor
            along = torch.linalg.vecdot(through, normed)[:, None].div_(flat.shape[-1])
            result[rows] = through.addcmul_(normed, along, value=-1).mul_(inverse[rows])
        return result.view(slope.shape), None, None, None
