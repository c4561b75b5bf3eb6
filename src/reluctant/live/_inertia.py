"""What an optimizer's momentum still moves once gradients have stopped."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_ADAM = ("Adam", "AdamW")
_STILL = ("SGD", "Adagrad", "RMSprop", "Adadelta")  # without a momentum of theirs
_TERMS = 2000  # of a series that falls by a constant factor


def drift(optimizers: list[Optimizer], parameter: Tensor) -> Tensor | None:
    """How far a parameter still moves if all further gradients are zero.

    SGD: −lr·μ/(1−μ)·buffer. Adam: −lr·m/√v times the sum over k of (β₁/√β₂)ᵏ, bias
    corrections included; its ε only makes it less.

    Returns:
        Of the parameter's shape; zeros for an optimizer that has no momentum, or that
        does not own it. None for one whose law is not known here.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if any(p is parameter for p in group["params"]):
                state = optimizer.state.get(parameter, {})
                return _drift(type(optimizer).__name__, group, state, parameter)
    return torch.zeros_like(parameter)


def _drift(
    kind: str, group: Mapping[str, Any], state: Mapping[str, Any], parameter: Tensor
) -> Tensor | None:
    sign = 1.0 if group.get("maximize") else -1.0
    lr = float(group.get("lr", 0.0))
    momentum = float(group.get("momentum", 0.0) or 0.0)
    if kind in ("SGD", "RMSprop"):
        buffer = state.get("momentum_buffer")
        if not momentum or buffer is None:
            return torch.zeros_like(parameter)
        if momentum >= 1:
            return None
        moved: Tensor = sign * lr * momentum / (1 - momentum) * buffer.to(parameter)
        return moved
    if kind in _ADAM:
        m, v = state.get("exp_avg"), state.get("exp_avg_sq")
        if m is None or v is None:
            return torch.zeros_like(parameter)
        first, second = (float(b) for b in group["betas"])
        step, ratio = float(state["step"]), first / second**0.5 if second else 1.0
        if ratio >= 1:
            return None
        total = 0.0
        for k in range(1, _TERMS):
            term = ratio**k
            total += (
                term * (1 - second ** (step + k)) ** 0.5 / (1 - first ** (step + k))
            )
            if term < 1e-9:
                break
        scaled = torch.where(v > 0, m / v.sqrt(), torch.zeros_like(m))
        return sign * lr * total * scaled.to(parameter)
    return torch.zeros_like(parameter) if kind in _STILL else None
