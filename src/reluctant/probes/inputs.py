"""What goes into the model: scale by feature, what is no number, which batch it is."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reluctant.probes._base import (
    InputPass,
    InputProbe,
    Measurement,
    over_all_but,
    widest,
)
from reluctant.records.quantities import (
    BATCH_MARK,
    INPUT_ACROSS,
    INPUT_MAX,
    INPUT_MEAN,
    INPUT_MIN,
    INPUT_NONFINITE,
    INPUT_SQUARE,
    INPUT_VARIATION,
)

_MARKED = 100_000  # entries that the mark is taken of


@dataclass(frozen=True)
class Inputs(InputProbe):
    """Measures the model's first input.

    Features are the last axis of two- and three-dimensional inputs, channels the second
    axis of images. Whole numbers, such as token ids, have no scale: they get a mark
    only.

    Cost: a few passes over the input.

    Attributes:
        most_features: Wider inputs are measured over all features only.
    """

    most_features: int = 4096

    yields = (
        BATCH_MARK,
        INPUT_ACROSS,
        INPUT_MAX,
        INPUT_MEAN,
        INPUT_MIN,
        INPUT_NONFINITE,
        INPUT_SQUARE,
        INPUT_VARIATION,
    )

    def read(self, seen: InputPass) -> Iterator[Measurement]:
        """Yield what can be had of the inputs."""
        x = seen.inputs
        if x.ndim == 0 or not x.numel() or x.is_complex() or x.is_sparse:
            return
        yield Measurement(BATCH_MARK, "", _mark(x))
        if not x.is_floating_point():
            return
        finite = x.isfinite()
        yield Measurement(INPUT_NONFINITE, "", 1 - widest(finite).mean())
        x = widest(x).where(finite, torch.zeros((), dtype=widest(x).dtype))
        yield Measurement(INPUT_MIN, "", x.amin())
        yield Measurement(INPUT_MAX, "", x.amax())
        square = x.square().mean()
        if x.ndim > 1 and x.shape[0] > 1:
            between = x.var(0, unbiased=False).mean()
            yield Measurement(INPUT_VARIATION, "", _share(between, square))
        if x.ndim == 2 and x.shape[1] > 1:
            across = x.var(1, unbiased=False).mean()
            yield Measurement(INPUT_ACROSS, "", _share(across, square))
        axis = 1 if x.ndim > 3 else x.ndim - 1
        if x.ndim < 2 or x.shape[axis] > self.most_features:
            x, axis = x.reshape(-1, 1), 1
        others = over_all_but(axis, x.ndim)
        yield Measurement(INPUT_MEAN, "", x.mean(others))
        yield Measurement(INPUT_SQUARE, "", x.square().mean(others))


def _share(variance: Tensor, square: Tensor) -> Tensor:
    """The one over the other; 0 where both are."""
    return variance / square.where(square > 0, torch.ones_like(square))


def _mark(x: Tensor) -> Tensor:
    flat = widest(x.reshape(-1)[:_MARKED]).nan_to_num(nan=0.5, posinf=1.5, neginf=2.5)
    place = torch.arange(1, len(flat) + 1, dtype=flat.dtype, device=flat.device)
    return (flat * place.sin()).sum()
