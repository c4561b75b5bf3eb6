"""The gradient of the outputs at one place of a sequence, by the inputs at all.

On the live graph, from where the loss takes its outputs to what a layer made of the
data; through a layer that reads numbers by running that one layer again.
"""

import math

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from reluctant.live._graph import Node, walk
from reluctant.live._loss_graph import LossReading
from reluctant.live._tap import Read
from reluctant.probes.next_inputs import NextInputs


def by_place(
    edge: GradientEdge | None, seen: LossReading, read: Read, place: NextInputs
) -> Tensor | None:
    """Differentiate the outputs at the place that was found.

    Returns:
        Norms, shape `(samples, times)`; None where the outputs do not depend on the
        inputs, or where the two cannot be laid side by side.
    """
    weights = _weights(seen, place)
    if weights is None or edge is None or place.sequences is None:
        return None
    gradient: Tensor | None = torch.autograd.grad(
        [edge], [read.output], [weights], retain_graph=True, allow_unused=True
    )[0]
    if gradient is None or place.arrange is None:
        return None
    laid = place.arrange(_led_back(gradient, read))
    shape = place.sequences.shape[:2]
    if laid.shape[:2] != shape:
        return None
    by = laid.float().reshape(*shape, -1).norm(dim=2)
    total = float(by.norm())
    return by if total > 0 and math.isfinite(total) else None


def edge_of(loss: Tensor, producer: Node) -> GradientEdge | None:
    """Where the loss takes its outputs from."""
    for node in walk(loss.grad_fn, most=400):
        for parent, number in node.next_functions:
            if parent is not None and parent is producer:
                return GradientEdge(parent, number)
    return None


def _weights(seen: LossReading, place: NextInputs) -> Tensor | None:
    """Of the outputs at one place of one sample; 0 everywhere else.

    A plain sum would be blind to a softmax, whose outputs sum to 1.
    """
    outputs, targets, rows = seen.outputs, seen.targets, place.rows
    if outputs is None or targets is None or rows is None:
        return None
    numbers = torch.Generator().manual_seed(0)
    if targets.is_floating_point():
        if outputs.shape != targets.shape:
            return None
        flat = torch.zeros_like(outputs, memory_format=torch.contiguous_format).reshape(
            -1
        )
        flat[rows] = torch.randn(rows.shape, generator=numbers).to(flat)
        return flat.reshape(outputs.shape)
    moved = outputs.movedim(seen.axis, -1)
    if moved.numel() != targets.numel() * moved.shape[-1]:
        return None
    table = outputs.new_zeros(targets.numel(), moved.shape[-1])
    table[rows] = torch.randn(1, moved.shape[-1], generator=numbers).to(table)
    return table.reshape(moved.shape).movedim(-1, seen.axis)


def _led_back(gradient: Tensor, read: Read) -> Tensor:
    """The gradient by a layer's data, given that by its output; not through tokens."""
    if read.again is None:
        return gradient
    with torch.enable_grad():
        data = read.data.detach().clone().requires_grad_()
        output = read.again(data)
        first = output[0] if isinstance(output, tuple) else output
    (back,) = torch.autograd.grad(first, data, gradient.to(first.dtype))
    return back
