"""Outgoing weights made small, with or without the function changed."""

import torch
from torch import Tensor

from reluctant.changes import _moments
from reluctant.changes._graph import Path, paths_of, trace
from reluctant.changes._patient import Context, DoesNotFit, Patient
from reluctant.records import RescaleUnits, ScaleOutgoing


@torch.no_grad()
def scale_outgoing(
    change: ScaleOutgoing, patient: Patient, context: Context
) -> ScaleOutgoing:
    """Make a `ScaleOutgoing`; the change with the layers that it was made to."""
    paths = paths_of(patient.model, change.sites) if change.sites else _last(patient)
    readers = {c.name: c.module for path in paths for c in path.consumers}
    for module in readers.values():
        weight: Tensor = module.weight  # type: ignore[assignment]
        weight.mul_(change.factor)
        everything = torch.arange(weight.shape[0])
        _moments.forget(patient.optimizer, weight, everything, dim=0)
    return ScaleOutgoing(tuple(path.site for path in paths), change.factor)


def _last(patient: Patient) -> list[Path]:
    """The hidden layers that the heads read."""
    heads = trace(patient.model).heads
    paths = [
        path
        for path in paths_of(patient.model)
        if any(c.name in heads for c in path.consumers)
    ]
    if not paths:
        raise DoesNotFit("no hidden layer is read by the output layer alone.")
    return paths


@torch.no_grad()
def rescale_units(
    change: RescaleUnits, patient: Patient, context: Context
) -> RescaleUnits:
    """Make a `RescaleUnits`; the change with the layers that it was made to."""
    paths = paths_of(patient.model, change.sites)
    fits = [path for path in paths if not path.bar]
    if not fits or (change.sites and len(fits) < len(paths)):
        odd = next(path for path in paths if path.bar)
        raise DoesNotFit(
            f"{odd.bar} stands behind {odd.site}, and only through rectifiers does a "
            "unit's scale pass unchanged."
        )
    for path in fits:
        _rescale(path, patient, change.ratio)
    return RescaleUnits(tuple(path.site for path in fits), change.ratio)


def _rescale(path: Path, patient: Patient, ratio: float) -> None:
    weight, bias = path.weight, path.bias
    squares = weight.double().flatten(1).square().sum(dim=1)
    if bias is not None:
        squares = squares + bias.double().square()
    out = torch.zeros_like(squares)
    for consumer in path.consumers:
        read: Tensor = consumer.module.weight  # type: ignore[assignment]
        by_input = read.double().transpose(0, 1).flatten(1).square().sum(dim=1)
        out += by_input.reshape(path.units, -1).sum(dim=1)
    factor = (out.sqrt() / (ratio * squares.sqrt()).clamp(min=1e-300)).sqrt()
    factor = torch.where((out > 0) & (squares > 0), factor, torch.ones_like(factor))
    # a power of two moves scale without any rounding
    factor = torch.exp2(torch.log2(factor).round()).to(weight)
    rows = factor.reshape(-1, *[1] * (weight.dim() - 1))
    weight.mul_(rows)
    _moments.rescale(patient.optimizer, weight, rows.expand_as(weight))
    if bias is not None:
        bias.mul_(factor)
        _moments.rescale(patient.optimizer, bias, factor)
    for consumer in path.consumers:
        read = consumer.module.weight  # type: ignore[assignment]
        columns = 1 / factor.repeat_interleave(consumer.block)
        columns = columns.reshape(1, -1, *[1] * (read.dim() - 2))
        read.mul_(columns)
        _moments.rescale(patient.optimizer, read, columns.expand_as(read))
