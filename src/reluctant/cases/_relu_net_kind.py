"""How a network of `dying-output` may differ from the one that was asked about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
HIDDEN, OUTPUTS, STD = 100, 10, 0.01
SLOPE = 0.2  # of a leaky unit below zero, as it was proposed


@dataclass(frozen=True)
class Kind:
    """One kind of network and schedule.

    Attributes:
        width: Hidden units.
        leaky_hidden: Whether hidden units leak.
        leaky_head: Whether output units leak.
        final_share: Share of the learning rate that is left at the last step; it falls
            by the same factor at every step.
    """

    width: int = HIDDEN
    leaky_hidden: bool = False
    leaky_head: bool = False
    final_share: float = 1.0

    def hidden(self, z: Array) -> Array:
        """What the hidden units make of their sums."""
        return _fire(z, leaky=self.leaky_hidden)

    def head(self, z: Array) -> Array:
        """What the output units make of their sums."""
        return _fire(z, leaky=self.leaky_head)

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at one of so many steps."""
        return float(self.final_share ** (step / steps))


PLAIN = Kind()


def slopes(z: Array, *, leaky: bool) -> Array:
    """By what a change of the sums is passed on."""
    on: Array = np.where(z > 0, 1, SLOPE if leaky else 0).astype(np.float32)
    return on


def _fire(z: Array, *, leaky: bool) -> Array:
    y: Array = np.maximum(z, z * np.float32(SLOPE) if leaky else 0)
    return y
