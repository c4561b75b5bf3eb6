"""What the batches hold, counted over one pass."""

import math
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import torch
from torch import Tensor

from reluctant.lab._recipe import Training, copy_of_batches, pair
from reluctant.lab.exams._batch import length, tensors
from reluctant.records import UsageError

_MOST_CLASSES = 10_000


class DataPass(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch, or the part of it that there was time for.

    Attributes:
        batches: How many were seen.
        samples: In them.
        is_whole: Whether the epoch ended.
        inputs: Shape and type of the first batch's inputs.
        targets: Of its targets.
        low: Smallest finite input; nan if inputs are no floating-point numbers.
        high: Largest.
        nonfinite: Entries of inputs or targets that are nan or infinite.
        classes: How many samples each class id has; empty where targets are no ids.
    """

    batches: int
    samples: int
    is_whole: bool
    inputs: str
    targets: str
    low: float
    high: float
    nonfinite: int
    classes: dict[int, int]


def data_pass(training: Training, *, seconds: float = math.inf) -> DataPass:
    """Go once over the batches, without the model. Works on a fork of the order.

    Args:
        training: Only its batches are used.
        seconds: After which the pass is broken off.

    Raises:
        UsageError: If the batches cannot be iterated twice, are none, or are no pairs.
    """
    until = time.perf_counter() + seconds
    given = getattr(training.batches, "inner", training.batches)
    drawn_from = getattr(given, "dataset", given)
    if isinstance(given, Iterator) or isinstance(drawn_from, Iterator):
        raise UsageError(
            f"batches is a one-shot iterator ({type(drawn_from).__name__}): what "
            "is looked at would be lost to the training. Pass what it was made from."
        )
    inner = copy_of_batches(training.batches)
    batches = samples = nonfinite = 0
    low, high, is_whole = math.inf, -math.inf, False
    described = ("", "")
    classes: dict[int, int] = {}
    with training.same_randomness():
        for batch in inner:
            inputs, targets = pair(batch)
            described = described if batches else (_shown(inputs), _shown(targets))
            batches += 1
            samples += length(inputs, targets)
            for tensor in tensors(inputs):
                if tensor.is_floating_point() and tensor.numel():
                    finite = tensor[tensor.isfinite()]
                    nonfinite += tensor.numel() - finite.numel()
                    if finite.numel():
                        low = min(low, float(finite.min()))
                        high = max(high, float(finite.max()))
            for tensor in tensors(targets):
                if tensor.is_floating_point():
                    nonfinite += int((~tensor.isfinite()).sum())
                elif not tensor.is_complex():
                    _count(tensor, classes)
            if time.perf_counter() > until:
                break
        else:
            is_whole = True
    if not batches:
        kind = type(getattr(training.batches, "inner", training.batches)).__name__
        raise UsageError(f"batches ({kind}) is empty: a training needs at least one.")
    return DataPass(
        batches=batches,
        samples=samples,
        is_whole=is_whole,
        inputs=described[0],
        targets=described[1],
        low=low if low <= high else math.nan,
        high=high if low <= high else math.nan,
        nonfinite=nonfinite,
        classes=dict(sorted(classes.items())) if len(classes) <= _MOST_CLASSES else {},
    )


def _count(ids: Tensor, classes: dict[int, int]) -> None:
    if len(classes) > _MOST_CLASSES:
        return
    found, counts = torch.unique(ids, return_counts=True)
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        classes[int(value)] = classes.get(int(value), 0) + count


def _shown(value: Any) -> str:
    found = [
        f"{tuple(t.shape)} {t.dtype}".replace("torch.", "") for t in tensors(value)
    ]
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return (" and ".join(found[:2]) + more) if found else type(value).__name__
