"""Interval arithmetic through the layers: what can come out for any input in a box."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reluctant.live._below import Op, Program
from reluctant.probes._base import widest

# where the function is lowest, and its value there: both round it off below 0
_DIP = {"Gelu": -0.1701, "Silu": -0.2785}
_ROUNDING = 1e-6  # of the terms of a sum, in the precision of the network


class Interval(NamedTuple):
    """Lowest and highest value of each unit, shape `(units,)`; may be infinite."""

    low: Tensor
    high: Tensor


def bounds(
    program: Program,
    wanted: set[int],
    parameters: Mapping[str, Tensor],
    ranges: Mapping[str, Interval],
) -> dict[int, Interval]:
    """Bound steps of a program, as far as they are understood.

    Args:
        program: What is computed.
        wanted: Positions; all that they depend on must be among them.
        parameters: By name, with the values that count.
        ranges: Of the data that come in, by site.

    References:
        [Gowal2018] Interval bound propagation, equations 6 and 7.
    """
    found: dict[int, Interval] = {}
    for at in sorted(wanted):
        op = program.ops[at]
        inputs = [found[i] for i in op.inputs if i in found]
        if len(inputs) == len(op.inputs) or op.kind == "norm":
            value = _bound(op, inputs, parameters, ranges)
            if value is not None and value.low.shape == value.high.shape:
                found[at] = value
    return found


def ceilings(
    program: Program,
    wanted: set[int],
    parameters: Mapping[str, Tensor],
    ranges: Mapping[str, Interval],
) -> dict[int, Interval]:
    """The same, whatever values the weights of the layers below may take.

    Only the layers themselves count with their weights: each reads what the activation
    below can put out at all, and the data as they are.
    """
    free: dict[int, Interval] = {}
    own: dict[int, Interval] = {}
    for at in sorted(wanted):
        op = program.ops[at]
        inputs = [free[i] for i in op.inputs if i in free]
        if len(inputs) != len(op.inputs) and op.kind != "norm":
            continue
        value = _bound(op, inputs, parameters, ranges)
        if value is None:
            continue
        through = op.kind in ("same", "repeat", "hull")
        if op.kind == "add" and op.names and op.inputs[0] in own:  # x @ W, then + b
            value = _bound(op, [own[op.inputs[0]]], parameters, ranges) or value
        if op.names:
            own[at] = value
            value = Interval(
                torch.full_like(value.low, -math.inf),
                torch.full_like(value.high, math.inf),
            )
        elif through and op.inputs[0] in own:
            outer = _bound(op, [own[op.inputs[0]]], parameters, ranges)
            if outer is not None:
                own[at] = outer
        free[at] = value
    return own


def _bound(
    op: Op,
    inputs: list[Interval],
    parameters: Mapping[str, Tensor],
    ranges: Mapping[str, Interval],
) -> Interval | None:
    if op.kind == "source":
        return ranges.get(op.options[0])
    own = [widest(parameters[n].detach()) if n else None for n in op.names]
    if op.kind in ("linear", "conv"):
        return _weighted(op, inputs[0], own[0], own[1])
    if op.kind == "norm":
        weight, bias = own
        reach = math.sqrt(max(op.options[0] - 1, 0))
        if weight is None or weight.ndim != 1:
            return None
        center = bias if bias is not None else torch.zeros_like(weight)
        return Interval(center - reach * weight.abs(), center + reach * weight.abs())
    if op.kind == "embedding" and own[0] is not None:
        return Interval(own[0].amin(0), own[0].amax(0))
    if op.kind == "cat":
        return Interval(
            torch.cat([i.low for i in inputs]), torch.cat([i.high for i in inputs])
        )
    if op.kind == "add":
        return _added(inputs, own)
    if op.kind == "unknown" or not inputs:
        return None
    low, high = inputs[0]
    if op.kind == "same":
        pads = bool(op.options and op.options[0])  # zeros may count in an average
        return Interval(low.clamp(max=0), high.clamp(min=0)) if pads else inputs[0]
    if op.kind == "repeat":
        times = op.options[0]
        return Interval(low.repeat_interleave(times), high.repeat_interleave(times))
    if op.kind == "hull":
        width = op.options[0]
        return Interval(low.amin().expand(width), high.amax().expand(width))
    if op.kind == "drop":
        scale = op.options[0]
        return Interval((scale * low).clamp(max=0), (scale * high).clamp(min=0))
    return Interval(_activated(op, low), _activated(op, high, is_high=True))


def _activated(op: Op, x: Tensor, *, is_high: bool = False) -> Tensor:
    """What an activation makes of one end; those that dip below 0 are widened."""
    given = op.options
    if op.kind in _DIP:
        return x.clamp(min=0) if is_high else (x < 0).to(x) * _DIP[op.kind]
    if op.kind == "Relu":
        return x.clamp(min=0)
    if op.kind == "LeakyRelu":
        return torch.where(x < 0, given[0] * x, x) if given[0] >= 0 else x
    if op.kind == "Elu":
        alpha, scale, inner = given
        bent: Tensor = scale * torch.where(x < 0, alpha * torch.expm1(inner * x), x)
        return bent
    if op.kind in ("Clamp", "Hardtanh"):
        return x.clamp(min=given[0], max=given[1])
    if op.kind == "ClampMin":
        return x.clamp(min=given[0])
    if op.kind == "Threshold":  # as torch.relu does it, with 0 below 0
        return x.clamp(min=0)
    if op.kind == "Softplus":
        return F.softplus(x, *given)
    return torch.sigmoid(x) if op.kind == "Sigmoid" else torch.tanh(x)


def _added(inputs: list[Interval], own: list[Tensor | None]) -> Interval | None:
    low, high = inputs[0]
    if len(inputs) == 2:
        if inputs[1].low.shape != low.shape:
            return None
        return Interval(low + inputs[1].low, high + inputs[1].high)
    bias = own[1] if len(own) > 1 else None
    if bias is None or bias.shape != low.shape:
        return None
    return Interval(low + bias, high + bias)


def _weighted(
    op: Op, x: Interval, weight: Tensor | None, bias: Tensor | None
) -> Interval | None:
    if weight is None:
        return None
    low, high = x
    if op.kind == "conv":
        groups, pads = op.options
        if pads:
            low, high = low.clamp(max=0), high.clamp(min=0)
        # one row for each unit: where it looks does not matter, only what it sees
        up, down = weight.clamp(min=0).flatten(2).sum(2), -(-weight).clamp(min=0)
        down = down.flatten(2).sum(2)
        if groups > 1:
            return _grouped(up, down, low, high, bias, groups)
    else:
        weight = weight if op.options[0] else weight.mT
        up, down = weight.clamp(min=0), weight.clamp(max=0)
    if up.shape[1:] != low.shape:
        return None
    return _combined(up, down, low, high, bias)


def _grouped(
    up: Tensor,
    down: Tensor,
    low: Tensor,
    high: Tensor,
    bias: Tensor | None,
    groups: int,
) -> Interval | None:
    if up.shape[1] * groups != len(low) or up.shape[0] % groups:
        return None
    parts = [
        _combined(*part, None)
        for part in zip(
            up.chunk(groups), down.chunk(groups), low.chunk(groups), high.chunk(groups),
            strict=True,
        )
    ]  # fmt: skip
    both = Interval(
        torch.cat([p.low for p in parts]), torch.cat([p.high for p in parts])
    )
    return both if bias is None else Interval(both.low + bias, both.high + bias)


def _combined(
    up: Tensor, down: Tensor, low: Tensor, high: Tensor, bias: Tensor | None
) -> Interval:
    """`W⁺·high + W⁻·low + b` and the other way round, widened by rounding errors."""
    finite = Interval(_finite(low), _finite(high))
    size = torch.maximum(finite.low.abs(), finite.high.abs())
    slack = _ROUNDING * ((up - down) @ size)
    top = up @ finite.high + down @ finite.low + slack
    base = up @ finite.low + down @ finite.high - slack
    if bias is not None:
        top, base = top + bias, base + bias
    for open_end, rows, is_top in (
        (high.isposinf(), up > 0, True),
        (low.isneginf(), down < 0, True),
        (low.isneginf(), up > 0, False),
        (high.isposinf(), down < 0, False),
    ):
        reached = (rows & open_end).any(1)
        if is_top:
            top = top.masked_fill(reached, math.inf)
        else:
            base = base.masked_fill(reached, -math.inf)
    return Interval(base, top)


def _finite(x: Tensor) -> Tensor:
    return x.where(x.isfinite(), torch.zeros_like(x))
