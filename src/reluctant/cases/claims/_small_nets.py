"""Hundreds of 2-H-1 networks at once, of any activation and optimizer, in torch.

Their parameters are stacked, so one optimizer step moves all of them, each by its own
gradient alone: what torch's optimizers do, they do entry by entry.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reluctant.cases._tiny_abs_nets import (
    BATCH,
    DECAYED,
    RATE,
    STEPS,
    SUCCESS,
    UNITS,
    Plane,
)

Rule: TypeAlias = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
_WITHIN = 1 / 2  # of the training: repulsion acts in the first half

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky": lambda z: functional.leaky_relu(z, 0.2),
    "sigmoid": torch.sigmoid,
    "exponential": lambda z: torch.exp(z.clamp(max=20)),
    "elu": functional.elu,
    "selu": functional.selu,
}


def adam(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """As Keras has it by default."""
    return torch.optim.Adam(parameters, lr=RATE, eps=1e-7)


@dataclass(frozen=True)
class Way:
    """One way to train the networks.

    Attributes:
        units: Hidden units.
        activation: Of them, a key of `ACTIVATIONS`.
        rule: Makes the optimizer; its rate falls to zero over the last eleventh.
        dropout: Share of hidden units that is left out of each sample's step.
        repulsion: Weight of the mean squared cosine between the units' weight vectors,
            in the loss of the first half.
    """

    units: int = UNITS
    activation: str = "relu"
    rule: Rule = adam
    dropout: float = 0.0
    repulsion: float = 0.0


def final_losses(
    plane: Plane, seeds: Iterable[int], way: Way, *, steps: int = STEPS
) -> NDArray[np.float64]:
    """Train one network for each seed; the loss over all samples, shape `(n,)`.

    Equal seeds begin with equal weights where they have equally many units, and are
    shown the same samples, drawn with replacement, in every way to train.

    Args:
        plane: What to learn.
        seeds: Of the starts.
        way: How to learn.
        steps: Optimizer steps.
    """
    seeds = list(seeds)
    nets = _Nets(seeds, way)
    optimizer = way.rule(nets.parameters)
    rate = optimizer.param_groups[0]["lr"]
    draw = torch.Generator().manual_seed(seeds[0])
    drop = torch.Generator().manual_seed(seeds[0] + 1)
    x, y = torch.from_numpy(plane.x), torch.from_numpy(plane.y[:, 0])
    decayed = steps * DECAYED // STEPS
    for step in range(steps):
        left = min(1.0, (steps - step) / max(1, decayed))
        optimizer.param_groups[0]["lr"] = rate * left
        chosen = torch.randint(len(x), (len(seeds), BATCH), generator=draw)
        outputs = nets(x[chosen], drop)
        loss = (outputs - y[chosen]).square().mean(1).sum()
        if way.repulsion and step < steps * _WITHIN:
            loss = loss + way.repulsion * nets.likeness().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        errors = nets(x.expand(len(seeds), *x.shape)) - y
        losses = errors.double().square().mean(1).numpy()
    found: NDArray[np.float64] = np.nan_to_num(losses, nan=math.inf)
    return found


def succeeded(losses: NDArray[np.float64], best: float) -> list[bool]:
    """Which are within a tenth of the best known loss."""
    return [bool(loss <= SUCCESS * best) for loss in losses]


class _Nets:
    """Stacked networks: incoming weights `(n, H, 2)`, biases and outgoing `(n, H)`."""

    def __init__(self, seeds: list[int], way: Way) -> None:
        starts = [_start(seed, way.units) for seed in seeds]
        incoming, outgoing = (
            torch.from_numpy(np.stack(part).astype(np.float32))
            for part in zip(*starts, strict=True)
        )
        zeros = torch.zeros_like(outgoing)
        parts = (incoming, zeros, outgoing, zeros[:, :1].clone())
        self.parameters = [part.clone().requires_grad_() for part in parts]
        self._activation, self._dropout = ACTIVATIONS[way.activation], way.dropout

    def __call__(self, x: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Outputs, shape `(n, samples)`, of inputs `(n, samples, 2)`."""
        incoming, bias, outgoing, end = self.parameters
        h = self._activation(torch.baddbmm(bias[:, None], x, incoming.mT))
        if self._dropout and drop is not None:
            keep = torch.rand(h.shape, generator=drop) >= self._dropout
            h = h * keep / (1 - self._dropout)
        return torch.bmm(h, outgoing[:, :, None])[:, :, 0] + end

    def likeness(self) -> Tensor:
        """Mean squared cosine over pairs of units, weights and bias, shape `(n,)`."""
        incoming, bias, _, _ = self.parameters
        both = torch.cat([incoming, bias[:, :, None]], 2)
        unit = functional.normalize(both, dim=2)
        square = torch.bmm(unit, unit.mT).square()
        units = both.shape[1]
        off = square.sum((1, 2)) - torch.diagonal(square, dim1=1, dim2=2).sum(1)
        likeness: Tensor = off / (units * (units - 1))
        return likeness


def _start(seed: int, units: int) -> tuple[Any, Any]:
    """Glorot-uniform, as Keras draws; what goes in, and what goes out."""
    random = np.random.default_rng([seed, 2])
    ends = math.sqrt(6 / (2 + units)), math.sqrt(6 / (units + 1))
    return random.uniform(-ends[0], ends[0], (units, 2)), random.uniform(
        -ends[1], ends[1], units
    )
