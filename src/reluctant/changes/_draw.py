"""Weights drawn anew, by a scheme or as they were drawn before."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reluctant.changes._graph import LAYERS
from reluctant.changes._patient import (
    Context,
    DoesNotFit,
    Patient,
    call,
    streams_kept,
)
from reluctant.records import Reinitialize, Restart

_ROUNDS, _CLOSE = 10, 0.02  # of LSUV: times that a layer is rescaled, and how close


@torch.no_grad()
def reinitialize(
    change: Reinitialize, patient: Patient, context: Context
) -> Reinitialize:
    """Make a `Reinitialize`; the optimizer forgets what it knew of these weights."""
    model = patient.model
    layers: dict[str, nn.Module] = {
        n: m for n, m in model.named_modules() if isinstance(m, LAYERS)
    }
    generator = context.generator()
    unknown = [site for site in change.sites if site not in layers]
    recurrent = [m for m in model.modules() if isinstance(m, nn.RNNBase)]
    if not layers and not recurrent:
        return _bare_matrices(change, patient, generator)
    if unknown:
        raise DoesNotFit(f"{unknown[0]!r} is no Linear or Conv layer to draw anew.")
    chosen = {n: m for n, m in layers.items() if not change.sites or n in change.sites}
    for cell in () if change.sites else recurrent:
        _draw_recurrent(cell, generator)
        for held in cell.parameters():
            patient.optimizer.state.pop(held, None)
    for module in chosen.values():
        weight, bias = _parts(module)
        _draw(weight, change.scheme, generator)
        if bias is not None:
            bias.zero_()
        for parameter in (weight, bias):
            if parameter is not None:
                patient.optimizer.state.pop(parameter, None)
    if change.scheme == "lsuv":
        _to_unit_variance(model, chosen, context)
    return Reinitialize(tuple(chosen), change.scheme)


def _draw_recurrent(module: nn.RNNBase, generator: torch.Generator) -> None:
    """Recurrent weights that keep the length of the state, gate by gate."""
    for name, parameter in module.named_parameters():
        if parameter.dim() < 2:
            parameter.zero_()
            continue
        for gate in parameter.split(module.hidden_size):
            kind = "orthogonal" if "weight_hh" in name else "glorot"
            drawn = torch.empty(gate.shape, dtype=torch.float32)
            _draw(drawn, kind, generator, gain=1.0)
            gate.copy_(drawn)


def _bare_matrices(
    change: Reinitialize, patient: Patient, generator: torch.Generator
) -> Reinitialize:
    """Draw weights that no layer holds: matrices of outputs × inputs."""
    bare = {n: p for n, p in patient.model.named_parameters() if p.dim() == 2}
    if not bare:
        raise DoesNotFit("there is no Linear or Conv layer to draw anew.")
    for parameter in bare.values():
        _draw(parameter, change.scheme, generator)
        patient.optimizer.state.pop(parameter, None)
    return Reinitialize(tuple(bare), change.scheme)


def _parts(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    if weight is None:
        raise DoesNotFit(f"the weight of a {type(module).__name__} is parametrized.")
    return weight, bias


def _draw(
    weight: Tensor, scheme: str, generator: torch.Generator, gain: float | None = None
) -> None:
    fan_in = weight[0].numel()
    fan_out = weight.shape[0] * (fan_in // weight.shape[1])
    if scheme in ("orthogonal", "lsuv"):
        drawn = torch.empty(weight.shape, dtype=torch.float32)
        if gain is None:
            gain = math.sqrt(2) if scheme == "orthogonal" else 1.0
        nn.init.orthogonal_(drawn, gain=gain, generator=generator)
    else:
        variance = {
            "he": 2 / fan_in,
            "glorot": 2 / (fan_in + fan_out),
            "lecun": 1 / fan_in,
        }[scheme]
        drawn = torch.randn(weight.shape, generator=generator) * math.sqrt(variance)
    weight.copy_(drawn)


def _to_unit_variance(
    model: nn.Module, chosen: dict[str, nn.Module], context: Context
) -> None:
    """Scale each layer, in the order they run, until its outputs vary by 1."""
    inputs = context.data("lsuv")[0][0]
    order: list[str] = []
    for name in _run(model, inputs, chosen):
        order.append(name)
    for name in order:
        weight, _ = _parts(chosen[name])
        for _ in range(_ROUNDS):
            deviation = _run(model, inputs, {name: chosen[name]})[name]
            if not deviation > 0 or not math.isfinite(deviation):
                break
            weight.div_(deviation)
            if abs(deviation - 1) < _CLOSE:
                break


def _run(
    model: nn.Module, inputs: Any, layers: dict[str, nn.Module]
) -> dict[str, float]:
    """Standard deviation of what each layer puts out, in the order they run."""
    found: dict[str, float] = {}
    buffers = [(b, b.clone()) for b in model.buffers()]

    def noting(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(module: nn.Module, args: Any, out: Tensor) -> None:
            found.setdefault(name, float(out.std()))

        return note

    handles = [m.register_forward_hook(noting(name)) for name, m in layers.items()]
    try:
        with streams_kept():
            call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
        for buffer, value in buffers:
            buffer.copy_(value)
    return found


@torch.no_grad()
def restart(change: Restart, patient: Patient, context: Context) -> Restart:
    """Make a `Restart`: every module by its own `reset_parameters`."""
    lacking = [
        name or type(module).__name__
        for name, module in patient.model.named_modules()
        if module._parameters and not hasattr(module, "reset_parameters")
    ]
    if lacking:
        raise DoesNotFit(
            f"{lacking[0]} has no reset_parameters(), so no one knows how to draw its "
            "parameters anew: give a recipe, which builds a fresh model."
        )
    without = _biases_of_zero(patient.model)
    with streams_kept():
        torch.default_generator.manual_seed(context.seed)
        for module in patient.model.modules():
            if module._parameters:
                module.reset_parameters()  # type: ignore[operator]
    for bias in without:
        bias.zero_()
    patient.optimizer.state.clear()
    return change


def _biases_of_zero(model: nn.Module) -> list[Tensor]:
    """Biases, where all are zero: then they were drawn so."""
    biases: list[Tensor] = [
        bias
        for module in model.modules()
        if isinstance(module, LAYERS)
        and (bias := module._parameters.get("bias")) is not None
    ]
    return biases if not any(bool(b.any()) for b in biases) else []
