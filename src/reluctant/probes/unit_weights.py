"""The weights of each unit: how long they are, and which are copies of each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from reluctant.probes._base import Measurement, UpdateProbe, widest
from reluctant.records.quantities import (
    COPIED_UNITS,
    INCOMING_NORM,
    OUTGOING_NORM,
    UNIT_BIAS,
)

_SAME = 1e-9  # 1 − cosine of copies; those of units drawn apart differ by far more


@dataclass(frozen=True)
class UnitWeights(UpdateProbe):
    """Measures biases, and the rows and columns of weights, before a step.

    Cost: one pass over a matrix, and the products of its rows with each other.

    Attributes:
        most_products: Matrices that would need more multiplications are left out.
        most_units: So are layers of more units,
        most_biases: and the biases of still larger ones.
    """

    most_products: int = 10_000_000
    most_units: int = 1024
    most_biases: int = 16_384

    yields = (COPIED_UNITS, INCOMING_NORM, OUTGOING_NORM, UNIT_BIAS)

    def read(
        self, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Iterator[Measurement]:
        """Yield norms by unit, and how many units are copies."""
        for name, weight in before.items():
            site, _, last = name.rpartition(".")
            units = weight.shape[0] if weight.ndim else 0
            inputs = weight.numel() // units if units else 0
            is_bias = last == "bias" and weight.ndim == 1
            if is_bias and weight.is_floating_point() and units <= self.most_biases:
                yield Measurement(UNIT_BIAS, site, weight)
            if last != "weight" or weight.ndim < 2 or not weight.is_floating_point():
                continue
            if units > self.most_units or units * units * inputs > self.most_products:
                continue
            rows = widest(weight).flatten(1)  # of a kernel: all that a channel sees
            bias = before.get(f"{site}.bias")
            if bias is not None and bias.shape == (units,):
                rows = torch.cat([rows, widest(bias)[:, None]], 1)
            lengths = rows.norm(dim=1)
            yield Measurement(INCOMING_NORM, site, lengths)
            if weight.ndim == 2 and inputs <= self.most_units:
                yield Measurement(OUTGOING_NORM, site, widest(weight).norm(dim=0))
            yield Measurement(COPIED_UNITS, site, _copies(rows, lengths))


def _copies(rows: Tensor, lengths: Tensor) -> Tensor:
    """How many rows point the same way as one above them, rows of zeros aside."""
    unit = rows / lengths.clamp(min=1e-300)[:, None]
    alike = (unit @ unit.mT > 1 - _SAME) & (lengths > 0) & (lengths > 0)[:, None]
    return alike.tril(-1).any(1).sum().to(rows.dtype)
