"""What the loss receives: outputs against targets."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reluctant.probes._base import HeadPass, HeadProbe, Measurement, widest
from reluctant.records.quantities import (
    CLASS_RIGHT,
    OUTPUT_MAX,
    OUTPUT_MEAN,
    OUTPUT_MIN,
    OUTPUT_SQUARE,
    OUTPUT_SUM_ERROR,
    OUTPUT_VARIATION,
    SUREST_WRONG,
    TARGET_COUNT,
    TARGET_MAX,
    TARGET_MEAN,
    TARGET_MEDIAN,
    TARGET_MEDIAN_SHARE,
    TARGET_MIN,
    TARGET_SQUARE,
    TARGET_WHOLE,
)

_MOST_SORTED = 1_000_000  # targets of which a median is taken
_CLASSES = ("cross-entropy", "nll")


@dataclass(frozen=True)
class HeadOutputs(HeadProbe):
    """Measures outputs and targets, by output and over all.

    Means and mean squares are recorded apart, so that a rule can pool them over steps:
    a batch of one sample has no variance of its own.

    Cost: a few passes over the outputs.

    Attributes:
        most_outputs: Heads wider than this are measured over all outputs only.
    """

    most_outputs: int = 4096

    yields = (
        CLASS_RIGHT,
        OUTPUT_MIN,
        OUTPUT_MAX,
        OUTPUT_MEAN,
        OUTPUT_SQUARE,
        OUTPUT_SUM_ERROR,
        OUTPUT_VARIATION,
        SUREST_WRONG,
        TARGET_MIN,
        TARGET_MAX,
        TARGET_MEAN,
        TARGET_MEDIAN,
        TARGET_MEDIAN_SHARE,
        TARGET_SQUARE,
        TARGET_COUNT,
        TARGET_WHOLE,
    )

    def read(self, head: HeadPass) -> Iterator[Measurement]:
        """Yield what can be had of outputs and targets."""
        width, rows = 1, None
        if head.outputs is not None and head.outputs.numel():
            rows = _by_output(head.outputs, head.output_axis)
            width = rows.shape[1]
            yield Measurement(OUTPUT_MIN, "", rows.amin())
            yield Measurement(OUTPUT_MAX, "", rows.amax())
            if width > 1:
                yield Measurement(OUTPUT_SUM_ERROR, "", (rows.sum(1) - 1).abs().amax())
            mean, square = rows.mean(0), rows.square().mean(0)
            if len(rows) > 1:
                variance = (rows - mean).square().mean(0)
                yield Measurement(OUTPUT_VARIATION, "", variance.sum() / square.sum())
            if width <= self.most_outputs:
                yield Measurement(OUTPUT_MEAN, "", mean)
                yield Measurement(OUTPUT_SQUARE, "", square)
        if head.targets is None or not head.targets.numel():
            return
        targets = head.targets
        if not targets.is_floating_point():
            ids = targets.reshape(-1)
            is_each = rows is not None and len(ids) == len(rows) and width > 1
            if rows is not None and is_each and head.kind in _CLASSES:
                yield Measurement(SUREST_WRONG, "", _surest_wrong(rows, ids))
            if 1 < width <= self.most_outputs:
                # one comparison a class: bincount is not deterministic on a GPU
                is_class = ids[:, None] == torch.arange(width, device=ids.device)
                yield Measurement(TARGET_COUNT, "", is_class.sum(0).double())
                if rows is not None and is_each:
                    right = is_class & (rows.argmax(1) == ids)[:, None]
                    yield Measurement(CLASS_RIGHT, "", right.sum(0).double())
            return
        rows = _by_output(targets, min(head.output_axis, targets.ndim - 1))
        yield Measurement(TARGET_MIN, "", rows.amin())
        yield Measurement(TARGET_MAX, "", rows.amax())
        yield Measurement(TARGET_WHOLE, "", widest(rows == rows.round()).mean())
        if head.kind == "l1" and rows.numel() <= _MOST_SORTED:
            median = rows.median()
            yield Measurement(TARGET_MEDIAN, "", median)
            yield Measurement(TARGET_MEDIAN_SHARE, "", widest(rows == median).mean())
        if rows.shape[1] <= self.most_outputs:
            yield Measurement(TARGET_MEAN, "", rows.mean(0))
            yield Measurement(TARGET_SQUARE, "", rows.square().mean(0))


def _surest_wrong(rows: Tensor, ids: Tensor) -> Tensor:
    """Of the tenth of samples with the largest share for one class, who is mistaken."""
    keep = (ids >= 0) & (ids < rows.shape[1])  # ignore_index is no class
    best, chosen = rows.log_softmax(1).max(1)
    first = best.where(keep, best.new_full((), -torch.inf)).topk(-(-len(ids) // 10))
    return widest(chosen[first.indices] != ids[first.indices]).mean()


def _by_output(tensor: Tensor, axis: int) -> Tensor:
    """Shape `(samples × space, outputs)`."""
    if tensor.ndim < 2:
        return widest(tensor).reshape(-1, 1)
    return widest(tensor).movedim(axis, -1).reshape(-1, tensor.shape[axis])
