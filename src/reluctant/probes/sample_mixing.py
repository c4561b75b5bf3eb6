"""How much of one sample's output comes from other samples, by a gradient."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

NONE = 1e-6  # of a gradient: what independent samples leave is an exact zero
_ASKED = 16  # samples, if those asked before have no gradient


def mixing(
    output: Tensor,
    source: Tensor,
    axes: tuple[int, ...] = (0, 1),
    looked_at: int = 3,
    *,
    both_sides: bool = False,
) -> float:
    """Differentiate single samples of an output by a whole source.

    Which axis holds the samples is not assumed. They are independent if along some axis
    of the output each entry depends on one entry of an axis of the source alone.

    Args:
        output: Depends on the source by the graph, which is kept.
        source: What stands for the inputs.
        axes: Of the source, that may hold the samples.
        looked_at: Samples whose outputs are differentiated.
        both_sides: Count the lesser of what falls on samples before and on those behind
            the one looked at, which is 0 where the axis is time and the past alone
            matters; then one sample in the middle is looked at.

    Returns:
        The share, by norm, of the gradient that falls on other samples: the largest of
        those looked at, the least over all ways to tell samples. nan if there is no
        such way, or one without a gradient, by which samples may well be independent.
    """
    shares = [
        _share(rows, source, axis, looked_at, both_sides=both_sides)
        for axis in axes
        if axis < source.ndim and source.shape[axis] > 1
        for rows in _by_sample(output, source.shape[axis])
    ]
    least = min((s for s in shares if not math.isnan(s)), default=math.nan)
    is_open = any(math.isnan(s) for s in shares)
    return least if least <= NONE or not is_open else math.nan


def _by_sample(output: Tensor, n: int) -> Iterator[Tensor]:
    """Ways to read an output as n samples, each of shape `(n, …)`."""
    for axis in range(output.ndim):
        if output.shape[axis] == n:
            yield output.movedim(axis, 0)
    first = output.shape[0]
    if first != n and first % n == 0:  # such as (samples × positions, classes)
        folded = output.reshape(n, first // n, *output.shape[1:])
        yield folded
        yield output.reshape(first // n, n, *output.shape[1:]).movedim(1, 0)


def _share(
    rows: Tensor, source: Tensor, axis: int, looked_at: int, *, both_sides: bool
) -> float:
    """Share of the gradients that falls on other samples; nan if there are none."""
    n = source.shape[axis]
    numbers = torch.Generator().manual_seed(0)
    worst, told = math.nan, 0
    first = [n // 2] if both_sides else [0, n // 2, n - 1]
    # where a narrow layer is silent a sample has no gradient, and another one is asked
    others_too = [] if both_sides else range(min(n, _ASKED))
    for i in dict.fromkeys([*first, *others_too]):
        if told >= looked_at:
            break
        row = rows[i]
        # a plain sum would be blind to a softmax, whose outputs sum to 1
        weights = torch.randn(row.shape, generator=numbers).to(row)
        (gradient,) = torch.autograd.grad(
            (row * weights).sum(), source, retain_graph=True, allow_unused=True
        )
        if gradient is None:
            continue
        by = gradient.double().movedim(axis, 0).reshape(n, -1).norm(dim=1)
        total = float(by.norm())
        if not total > 0 or not math.isfinite(total):
            continue
        told += 1
        by[i] = 0
        others = float(by.norm())
        if both_sides:
            others = min(float(by[:i].norm()), float(by[i:].norm()))
        worst = others / total if math.isnan(worst) else max(worst, others / total)
    return worst
