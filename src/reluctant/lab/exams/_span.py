"""The best that outputs could do on a few samples: constant ones, and free ones."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reluctant.lab._recipe import Training
from reluctant.lab.exams._batch import mapped, tensors
from reluctant.probes._update import Unmeasurable

_NO_END = "the loss has no lower end, so nothing is ever learnt by heart"
_BOTTOMLESS = 1e3  # times the loss at the start, below 0


class Span(NamedTuple):
    """What the loss can be on a few samples.

    Attributes:
        constant: The lowest for an output that is the same for every sample.
        floor: The lowest for any outputs.
    """

    constant: float
    floor: float

    def skill(self, loss: float) -> float:
        """How far a loss is on the way from the one to the other."""
        return (self.constant - loss) / (self.constant - self.floor)


def span_of(copy: Training, batch: tuple[Any, Any]) -> Span:
    """Minimize the loss over constant outputs, and over all."""
    inputs, targets = batch
    with torch.no_grad():
        outputs = copy.outputs(inputs)
    floats = [t for t in tensors(outputs) if t.is_floating_point() and t.ndim]
    if not floats:
        raise Unmeasurable("the outputs hold no tensor that a constant could replace")
    for link in _links(floats):
        try:
            constant = _minimum(copy, outputs, targets, link, constant=True)
            floor = _minimum(copy, outputs, targets, link, constant=False)
        except (RuntimeError, ValueError, IndexError):
            continue  # such as a probability that has to lie between 0 and 1
        if -math.inf in (constant, floor):
            raise Unmeasurable(_NO_END)
        if math.isfinite(constant) and math.isfinite(floor):
            break
    else:
        raise Unmeasurable("the loss takes no constant in place of the outputs")
    with torch.no_grad():
        first = float(copy.loss_fn(outputs, targets))
    if floor < -_BOTTOMLESS * max(1.0, abs(first)):
        raise Unmeasurable(_NO_END)
    if not constant - floor > 1e-6 * max(abs(first), abs(constant)):
        raise Unmeasurable(
            f"on the samples looked at a constant output has the lowest loss that any "
            f"output can have, {constant:.3g}"
        )
    return Span(constant, min(floor, constant))


Link = Callable[[Tensor], Tensor]


def _links(outputs: list[Tensor]) -> list[Link]:
    """Maps to what the outputs can be, most natural first."""

    def same(t: Tensor) -> Tensor:
        return t

    first = outputs[0]
    axis = min(1, first.ndim - 1)
    is_logs = first.ndim > 1 and bool(
        ((first.exp().sum(axis) - 1).abs() < 1e-3).all() and (first <= 0).all()
    )
    if is_logs and first.shape[axis] > 1:
        return [lambda t: torch.log_softmax(t, min(1, t.ndim - 1))]
    return [same, torch.sigmoid]


def _minimum(
    copy: Training, outputs: Any, targets: Any, link: Link, *, constant: bool
) -> float:
    """Minimize the loss over outputs, constant or free, by a quasi-Newton method."""
    constants: list[Tensor] = []

    def mean(t: Tensor) -> Tensor:
        if not t.is_floating_point() or not t.ndim:
            return t
        begin = t.mean(0, keepdim=True)
        if not constant:
            begin = begin.expand_as(t).clone()
        constants.append(begin.double().requires_grad_())
        return t

    mapped(outputs, mean)

    def loss() -> Tensor:
        free = iter(constants)

        def spread(t: Tensor) -> Tensor:
            if not t.is_floating_point() or not t.ndim:
                return t
            return link(next(free)).to(t.dtype).expand_as(t)

        found: Tensor = copy.loss_fn(mapped(outputs, spread), targets)
        return found

    if not loss().requires_grad:
        raise Unmeasurable("the loss does not depend on the outputs")
    method = torch.optim.LBFGS(constants, max_iter=60, line_search_fn="strong_wolfe")
    lowest = math.inf

    def closure() -> Tensor:
        nonlocal lowest
        method.zero_grad()
        value = loss()
        value.backward()
        lowest = min(lowest, float(value.detach()))
        return value

    for _ in itertools.repeat(None, 2):
        method.step(closure)
    return lowest
