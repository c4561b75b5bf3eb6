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
    INPUT_TAIL,
    INPUT_VARIATION,
)

_MARKED = 100_000  # entries that the mark is taken of
_FEWEST = 16  # samples below which the farthest one says nothing
_PART, _COLUMNS = 64, 256  # samples and features that are looked at for that
_DIFFER = 0.75  # share of samples off the median in a feature that is no flag or count


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
        INPUT_TAIL,
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
        if x.ndim == 2 and x.shape[0] >= _FEWEST and x.shape[1] <= self.most_features:
            yield from _tail(x)
        axis = 1 if x.ndim > 3 else x.ndim - 1
        if x.ndim < 2 or x.shape[axis] > self.most_features:
            x, axis = x.reshape(-1, 1), 1
        others = over_all_but(axis, x.ndim)
        yield Measurement(INPUT_MEAN, "", x.mean(others))
        yield Measurement(INPUT_SQUARE, "", x.square().mean(others))


def _tail(x: Tensor) -> Iterator[Measurement]:
    """How much of what a feature varies is one sample's; none of flags and sparse ones.

    Args:
        x: Shape `(samples, features)`.
    """
    x = x[:_PART, :: -(-x.shape[1] // _COLUMNS)]
    apart = (x - x.median(0).values).square()
    mostly = (apart > 0).to(x.dtype).mean(0) >= _DIFFER
    spread = apart.sum(0)
    keep = mostly & (spread > 0)
    if keep.any():
        share = apart.amax(0)[keep] / spread[keep]
        yield Measurement(INPUT_TAIL, "", share.median())


def _share(variance: Tensor, square: Tensor) -> Tensor:
    """The one over the other; 0 where both are."""
    return variance / square.where(square > 0, torch.ones_like(square))


def _mark(x: Tensor) -> Tensor:
    flat = widest(x.reshape(-1)[:_MARKED]).nan_to_num(nan=0.5, posinf=1.5, neginf=2.5)
    place = torch.arange(1, len(flat) + 1, dtype=flat.dtype, device=flat.device)
    return (flat * place.sin()).sum()
