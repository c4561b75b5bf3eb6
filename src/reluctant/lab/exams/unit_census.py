"""Which rectified units fire on the data at all, counted over every sample."""

import math
import time

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from reluctant.lab._recipe import Training, pair
from reluctant.lab.exams._batch import length, without_dropout
from reluctant.live._census import Count
from reluctant.live._describe import named
from reluctant.live._tap import ForwardTap
from reluctant.probes._update import Unmeasurable


class UnitCensus(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What every unit did on a pass over the data, at the weights as they are.

    Attributes:
        samples: How many were seen.
        is_whole: Whether these were all the data.
        fired: By layer, shape `(units,)`: samples on which the unit fired somewhere.
        rows: By layer: how many samples (first axis) that layer saw.
        highest: By layer, shape `(units,)`: largest pre-activation.
    """

    samples: int
    is_whole: bool
    fired: dict[str, NDArray[np.float64]]
    rows: dict[str, int]
    highest: dict[str, NDArray[np.float64]]

    @property
    def silent(self) -> dict[str, NDArray[np.int64]]:
        """By layer: the units that never fired; layers without any are left out."""
        found = {site: np.flatnonzero(n == 0) for site, n in self.fired.items()}
        return {site: units for site, units in found.items() if units.size}


def unit_census(training: Training, *, seconds: float = math.inf) -> UnitCensus:
    """Count on how many samples each unit before a rectifier fires.

    One pass over the data in the model's own mode, with dropout off. Works on a fork.

    Args:
        training: Anything that can be forked.
        seconds: After which the pass is broken off.

    Raises:
        UsageError: If the training cannot be forked, or has no batch.
        Unmeasurable: If nothing can be seen of the model.
    """
    copy = training.fork()
    without_dropout(copy.model)
    until = time.perf_counter() + seconds
    count = Count()
    failed: list[str] = []
    tap = ForwardTap(
        list(copy.model.modules()),
        {id(p): name for name, p in named(copy.model).items()},
        on_layer=lambda run: None,
        on_activation=count.add,
        on_output=lambda module, args, output: None,
        on_compiled=failed.append,
        on_error=lambda error: failed.append(f"{type(error).__name__}: {error}"),
    )
    samples, is_whole = 0, False
    with copy.own_randomness():
        for batch in copy.batches:
            inputs, _ = pair(batch)
            tap.arm()
            try:
                with torch.enable_grad():  # layers are told by their graph
                    copy.outputs(inputs)
            finally:
                tap.disarm()
            if failed:
                raise Unmeasurable(f"cannot look into the model: {failed[0]}")
            samples += length(inputs)
            if time.perf_counter() > until:
                break
        else:
            is_whole = True
    if not samples:
        raise Unmeasurable("there was no sample to count on")
    return UnitCensus(
        samples=samples,
        is_whole=is_whole,
        fired={s: v.cpu().numpy().astype(np.float64) for s, v in count.fired.items()},
        rows=count.rows,
        highest={
            s: v.double().cpu().numpy() if v.device.type != "mps" else v.cpu().numpy()
            for s, v in count.highest.items()
        },
    )
