"""At which learning rate a quadratic diverges under an optimizer."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer


class Law(NamedTuple):
    """When a quadratic diverges under an optimizer.

    Attributes:
        rule: The formula, for a reader.
        factor: The learning rate times λ at which it does; nan if unknown.
        weights: P^-½, shape `(n,)`, where λ is that of P^-½·H·P^-½; None where P is 1.
    """

    rule: str
    factor: float
    weights: Tensor | None = None


def law_of(optimizer: Optimizer, used: Sequence[Tensor]) -> Law:
    """The law of SGD and Adam; an unknown one for other optimizers.

    Args:
        optimizer: With the state that it has now. Weight decay is left out.
        used: The parameters that the entries of the Hessian belong to.
    """
    groups = optimizer.param_groups
    first, name = groups[0], type(optimizer).__name__
    owned = {id(p): group for group in groups for p in group["params"]}
    if name == "SGD":
        beta = float(first["momentum"])
        kept = 1 - float(first["dampening"]) if beta else 1.0
        rates = {float(g["lr"]) for g in groups}
        weights = None
        if len(rates) > 1 or any(id(p) not in owned for p in used):
            weights = _joined(used, owned, first, lambda p, g: torch.ones_like(p))
        if first["nesterov"]:
            return Law("2(1+β)/(1+2β)λ", 2 * (1 + beta) / (1 + 2 * beta), weights)
        rule = "2(1+β)/λ" if beta else "2/λ"
        return Law(rule, 2 * (1 + beta) / kept, weights)
    if name in ("Adam", "AdamW"):
        beta = float(first["betas"][0])
        if not all("exp_avg_sq" in optimizer.state.get(p, {}) for p in used):
            return Law("", math.nan)

        def scale(p: Tensor, group: dict[str, Any]) -> Tensor:
            state, (one, two) = optimizer.state[p], group["betas"]
            step = float(state["step"])
            second = state.get("max_exp_avg_sq", state["exp_avg_sq"])
            root = (second / (1 - two**step)).sqrt() + group["eps"]
            return torch.as_tensor((1 - one**step) * root)

        factor = 2 * (1 + beta) / (1 - beta)
        return Law("2(1+β₁)/(1-β₁)λ", factor, _joined(used, owned, first, scale))
    return Law("", math.nan)


def _joined(
    used: Sequence[Tensor],
    owned: dict[int, dict[str, Any]],
    first: dict[str, Any],
    scale: Callable[[Tensor, dict[str, Any]], Tensor],
) -> Tensor:
    """P^-½ in one vector; a group's own rate counts against that of the first group."""
    parts = []
    for p in used:
        group = owned.get(id(p))
        if group is None:  # no optimizer moves it
            parts.append(torch.zeros_like(p).reshape(-1))
            continue
        share = float(group["lr"]) / max(float(first["lr"]), 1e-300)
        parts.append((share / scale(p, group)).detach().sqrt().reshape(-1))
    return torch.cat(parts)
