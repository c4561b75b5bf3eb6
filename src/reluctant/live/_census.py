"""Which rectified units fire on the data at all, counted over every sample."""

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reluctant.live._describe import named
from reluctant.live._tap import ForwardTap, Pass
from reluctant.probes.firing import RECTIFIERS
from reluctant.records.quantities import (
    CENSUS_FIRED,
    CENSUS_MAX,
    CENSUS_SAMPLES,
    CENSUS_WHOLE,
)

_DROPOUT = nn.modules.dropout._DropoutNd
_WITH_DROPOUT = nn.MultiheadAttention | nn.RNNBase


class Count:
    """Adds up what activations receive.

    Attributes:
        fired: By layer, shape `(units,)`: samples on which the unit fired somewhere.
        highest: By layer, shape `(units,)`: largest pre-activation.
        rows: By layer: how many samples (first axis) that layer saw.
    """

    def __init__(self) -> None:
        self.fired: dict[str, Tensor] = {}
        self.highest: dict[str, Tensor] = {}
        self.rows: dict[str, int] = {}

    def add(self, run: Pass) -> None:
        """Count one activation's input."""
        z = run.tensor.detach()
        if run.activation not in RECTIFIERS or z.ndim < 2 or not z.numel():
            return
        site = run.site.partition("#")[0]  # passes of a shared layer are one unit
        z = z.movedim(run.unit_axis, -1)
        z = z.reshape(z.shape[0], -1, z.shape[-1])
        fired = (z > 0).any(1).sum(0)
        highest = z.amax((0, 1))
        if site in self.fired and self.fired[site].shape == fired.shape:
            fired = fired + self.fired[site]
            highest = torch.maximum(highest, self.highest[site])
        self.fired[site], self.highest[site] = fired, highest
        self.rows[site] = self.rows.get(site, 0) + z.shape[0]


def census(
    model: nn.Module,
    batches: Iterable[Any],
    add: Callable[[Any, str, Any], None],
) -> int:
    """Count over all batches, on a copy of the model with dropout off.

    Weights, buffers and the random states stay what they were; the batches are gone
    over once, as a user's own loop would.

    Args:
        model: In whatever mode it is.
        batches: Inputs, or tuples or lists that begin with them, or mappings of keyword
            arguments of the model among others.
        add: Takes quantity, site and value of each reading.

    Returns:
        How many samples were counted.

    Raises:
        ValueError: If there is no sample, or nothing can be seen of the model.
    """
    with _kept_randomness():
        twin = copy.deepcopy(model)
        for module in twin.modules():
            for name in ("p", "dropout"):
                has = isinstance(module, _DROPOUT if name == "p" else _WITH_DROPOUT)
                if has and getattr(module, name) > 0:
                    setattr(module, name, 0.0)
        device = next((p.device for p in twin.parameters()), torch.device("cpu"))
        count, failed = Count(), list[str]()
        tap = ForwardTap(
            list(twin.modules()),
            {id(p): name for name, p in named(twin).items()},
            on_layer=lambda run: None,
            on_activation=count.add,
            on_output=lambda module, args, output: None,
            on_compiled=failed.append,
            on_error=lambda error: failed.append(f"{type(error).__name__}: {error}"),
        )
        samples = 0
        for batch in batches:
            inputs = _inputs(batch, device)
            tap.arm()
            try:
                with torch.enable_grad():  # layers are told by their graph
                    twin(**inputs) if isinstance(inputs, dict) else twin(inputs)
            finally:
                tap.disarm()
            if failed:
                raise ValueError(f"cannot look into the model: {failed[0]}")
            first = next(iter(inputs.values())) if isinstance(inputs, dict) else inputs
            samples += len(first)
    if not samples or not count.fired:
        raise ValueError("there was no sample, or no rectified unit, to count on")
    add(CENSUS_SAMPLES, "", float(samples))
    add(CENSUS_WHOLE, "", 1.0)
    for site, fired in count.fired.items():
        add(CENSUS_FIRED, site, fired / max(1, count.rows[site]))
        add(CENSUS_MAX, site, count.highest[site])
    return samples


def _inputs(batch: Any, device: torch.device) -> Any:
    """What the model is called with: the first tensor, or a mapping of tensors."""
    if isinstance(batch, dict):
        return {k: v.to(device) for k, v in batch.items() if isinstance(v, Tensor)}
    while isinstance(batch, tuple | list) and batch:
        batch = batch[0]
    if not isinstance(batch, Tensor):
        raise ValueError(
            f"a batch holds {type(batch).__name__}, where a tensor, or a tuple that "
            f"begins with one, was expected"
        )
    return batch.to(device)


@contextmanager
def _kept_randomness() -> Iterator[None]:
    """Put every random state back that a loader may draw from."""
    plain, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)  # noqa: NPY002
