"""Training through the rounding of the GGUF format that will be served.

While it is on, every weight of the model holds what the exported file will hold: the adapter's product is added to the
base weight in fp32, as the merge does it, and the sum is rounded as llama.cpp rounds it. Gradients go straight through
the rounding: y = x Q(W + s·B·A)ᵀ is treated as if Q were the identity, so that dB = s·dyᵀ(xAᵀ), dA = s·(dy·B)ᵀx and
dx = dy·Q. No gradient of a whole weight is ever made. Only the adapter is trained, and it is saved as it is.
"""

import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stillroom.errors import UserError
from stillroom.export.gguf import tensor_names
from stillroom.export.rounding import rounded
from stillroom.export.tensor_types import tensor_types
from stillroom.recipe.model import QuantisedFormat


class QuantizationAware:
    """A PEFT LoRA model whose forward can be switched to that of its GGUF file, and back."""

    def __init__(self, model: Any, base: Path, format: QuantisedFormat) -> None:
        """model: a PeftModel whose adapters are plain LoRA on linear layers; base: the folder its weights come from.

        Nothing is changed yet. Raises UserError for an adapter or a base model that this cannot round.
        """
        self._base, self._model = base, model.get_base_model()
        self._weights = self._find_weights(format)
        by_parameter = {id(weight.parameter): weight for weight in self._weights}
        self._adapted = [
            AdaptedLayer(layer, by_parameter[id(layer.get_base_layer().weight)])
            for layer in _lora_layers(self._model, format)
        ]
        self.is_on = False

    def on(self) -> None:
        """Round every weight, and let the adapted layers run through their merged and rounded weight."""
        if self.is_on:
            return
        originals = self._originals()
        for weight in self._weights:
            weight.begin(originals.get(weight.name))
        adapted = {id(layer.weight) for layer in self._adapted}
        for weight in self._weights:
            if id(weight) not in adapted:
                weight.fix()
        for layer in self._adapted:
            layer.begin()
        self.is_on = True

    def off(self) -> None:
        """Give every weight its own value back, and the layers their own forward."""
        if not self.is_on:
            return
        for layer in self._adapted:
            layer.end()
        for weight in self._weights:
            weight.end()
        self.is_on = False

    def refresh(self) -> None:
        """Round the adapted layers anew at their next use; for optimizers that write behind autograd's back."""
        for layer in self._adapted:
            layer.seen = None

    def _find_weights(self, format: QuantisedFormat) -> list["Weight"]:
        """Every matrix that the file rounds; one that two modules share stands in it once."""
        found = tensor_types(self._base, format)
        name_of = tensor_names(found.architecture, self._model.config)
        weights, unknown = [], []
        for path, parameter in self._model.named_parameters():
            name = path.replace(".base_layer", "")
            # Vectors (norms, biases) stay in fp32 in every file.
            if "lora_" in path or parameter.dim() < 2:
                continue
            tensor = f"{name_of(name.removesuffix('.weight'))}.weight"
            if found.shapes.get(tensor) != tuple(parameter.shape):
                unknown.append(name)
            else:
                weights.append(Weight(name, parameter, found.types[tensor]))
        if unknown:
            shown = ", ".join(unknown[:3])
            raise UserError(
                f"train.quantization_aware cannot be used with this base model: {len(unknown)} of its weights "
                f"({shown}, ...) do not stand in a GGUF file as they are. Set train.quantization_aware to null."
            )
        return weights

    def _originals(self) -> dict[str, Tensor]:
        """The weights in fp32 as the merge will read them; none where the model holds them in fp32 itself."""
        from transformers import AutoModelForCausalLM

        if all(weight.parameter.dtype == torch.float32 for weight in self._weights):
            return {}
        model = AutoModelForCausalLM.from_pretrained(self._base, dtype=torch.float32)
        return {name: parameter.detach() for name, parameter in model.named_parameters()}


@dataclass
class Weight:
    """One frozen weight of the base model.

    name: the parameter's in the base model. types: what it passes through on its way into the file. original: its
    value while the parameter holds the rounded one, on the CPU; in the parameter's dtype where that loses nothing.
    """

    name: str
    parameter: nn.Parameter
    types: tuple[str, ...]
    original: Tensor = field(default_factory=lambda: torch.empty(0))

    def begin(self, exact: Tensor | None) -> None:
        """Put the original aside; `exact` is its fp32 value where the parameter's dtype may be another."""
        own = self.parameter.detach().cpu().clone()
        self.original = own if exact is None or torch.equal(own.float(), exact) else exact

    def hold(self, value: Tensor) -> None:
        """Let the parameter hold what the file makes of `value` (fp32, of the parameter's shape; it is not kept)."""
        parameter = self.parameter.detach()
        if parameter.device.type == "cpu" and parameter.dtype in (torch.float32, torch.bfloat16):
            rounded(value, self.types, out=parameter)
        else:
            parameter.copy_(rounded(value.cpu(), self.types))
        # It was written by its address; autograd must know, to refuse a backward pass over what is gone.
        torch.autograd.graph.increment_version(self.parameter)

    def fix(self) -> None:
        """Let the parameter hold what the file makes of the base model's own value."""
        self.hold(self.original.float())
        self.original = self.original.to(self.parameter.dtype)

    def end(self) -> None:
        """Give the parameter its own value back."""
        with torch.no_grad():
            self.parameter.copy_(self.original)
        self.original = torch.empty(0)


class AdaptedLayer:
    """A linear layer with a LoRA adapter, run through its merged and rounded weight.

    The weight is rounded again only when the adapter has changed: once an optimizer step, whatever number of forward
    and backward passes there are between two of them.
    """

    def __init__(self, layer: Any, weight: Weight) -> None:
        self.layer, self.weight = layer, weight
        self.seen: tuple[Any, ...] | None = None

    def begin(self) -> None:
        self.seen = None
        self._update(self._active())
        self.layer.forward = types.MethodType(lambda _, x: self.forward(x), self.layer)

    def end(self) -> None:
        del self.layer.forward

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., columns); returns (..., rows) in the weight's dtype."""
        name = self._active()
        self._update(name)
        parameter, bias = self.weight.parameter, self.layer.get_base_layer().bias
        x = x.to(parameter.dtype)
        if name is None:
            return nn.functional.linear(x, parameter, bias)
        a, b = self.layer.lora_A[name].weight, self.layer.lora_B[name].weight
        result: Tensor = StraightThrough.apply(x, parameter, bias, a, b, self.layer.scaling[name])  # type: ignore[no-untyped-call]
        return result

    def _active(self) -> str | None:
        """The adapter in use; None while adapters are disabled."""
        if self.layer.disable_adapters:
            return None
        names = [name for name in self.layer.active_adapters if name in self.layer.lora_A]
        if len(names) > 1:
            raise ValueError(f"only one adapter can be trained through a rounding at a time, not {names}")
        return names[0] if names else None

    def _update(self, name: str | None) -> None:
        seen: tuple[Any, ...] = (name,)
        if name is not None:
            a, b = self.layer.lora_A[name].weight, self.layer.lora_B[name].weight
            seen = (name, a.data_ptr(), a._version, b.data_ptr(), b._version)
        if seen == self.seen:
            return
        with torch.no_grad(), torch.autocast(self.weight.parameter.device.type, enabled=False):
            if name is None:
                merged = self.weight.original.float()
            else:
                # PEFT's own product and sum, so that the merge at export gives the same bits (a GPU's product may
                # differ from the CPU's in the last one, most of which the rounding to 16 bit takes away).
                merged = self.layer.get_delta_weight(name).cpu().add_(self.weight.original)
            self.weight.hold(merged)
        self.seen = seen


class StraightThrough(torch.autograd.Function):
    """x Qᵀ + bias, with gradients as if Q were W + scale · B A (see the module's text)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        """x: (..., columns). weight: Q, (rows, columns). a: (rank, columns). b: (rows, rank)."""
        ctx.save_for_backward(x, weight, a, b)
        ctx.scale = scale
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        x, weight, a, b = ctx.saved_tensors
        slope = slope.to(weight.dtype)
        of_x = slope @ weight if ctx.needs_input_grad[0] else None
        if not (ctx.needs_input_grad[3] or ctx.needs_input_grad[4]):
            return of_x, None, None, None, None, None
        x, slope = x.flatten(0, -2), slope.flatten(0, -2)
        low = (slope @ b.to(slope.dtype)).mul_(ctx.scale)
        of_a = (low.T @ x).to(a.dtype)
        of_b = (slope.T @ (x @ a.to(x.dtype).T).mul_(ctx.scale)).to(b.dtype)
        return of_x, None, None, of_a, of_b, None


def at_the_end(aware: QuantizationAware, share: float) -> Any:
    """A TrainerCallback that switches `aware` on for the last `share` of the steps, wherever a run was resumed.

    It is off again when training has ended. `begin` is the number of the first step through the rounding, from 0; it
    is known once training has begun.
    """
    from transformers import TrainerCallback

    class AtTheEnd(TrainerCallback):
        begin: int

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.begin = first_step(state.max_steps, share)

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= self.begin:
                aware.on()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            aware.refresh()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            aware.off()

    return AtTheEnd()


def first_step(steps: int, share: float) -> int:
    """The number of the first step (from 0) that belongs to the last `share` of `steps`; at least one does."""
    return min(steps - 1, round(steps * (1 - share)))


def _lora_layers(model: nn.Module, format: QuantisedFormat) -> list[Any]:
    """The layers that carry an adapter; raises UserError for one whose adapter is not plain LoRA on a linear layer."""
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    layers = []
    for name, module in model.named_modules():
        if not isinstance(module, BaseTunerLayer | ModulesToSaveWrapper):
            continue
        reason = None
        if not isinstance(module, LoraLayer) or type(module) is not Linear:
            reason = "it is no LoRA adapter of a plain linear layer"
        elif type(module.get_base_layer()) is not nn.Linear:
            reason = f"its weight is held as {type(module.get_base_layer()).__name__}, not as it is"
        elif module.lora_variant or any(module.lora_bias.values()):
            reason = "DoRA and other variants add more than a product of two matrices; use plain LoRA or rsLoRA"
        elif any(not isinstance(dropout, nn.Identity) for dropout in module.lora_dropout.values()):
            reason = (
                "the whole merged weight is rounded, so nothing can be dropped before it; set sft.lora.dropout to 0"
            )
        if reason:
            raise UserError(f"train.quantization_aware ({format}) cannot train the layer {name}: {reason}.")
        layers.append(module)
    return layers
