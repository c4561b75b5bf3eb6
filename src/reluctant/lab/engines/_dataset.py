"""Training data in the form that kernels read, and the order samples are drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reluctant.lab.engines._layout import Samples
from reluctant.lab.engines._machine import compiled
from reluctant.lab.engines._spec import MLPSpec

__all__ = ["Dataset", "prepare", "shuffled_epochs"]

# From this share of non-zero inputs on, skipping zeros costs more than it saves.
_DENSE_FROM = 0.6


@dataclass(frozen=True)
class Dataset:
    """Inputs and what the network should put out for them.

    Attributes:
        inputs: Shape `(n, inputs)`; or a sparse matrix in compressed rows, anything
            with `data`, `indices`, `indptr` and `shape`.
        targets: Shape `(n, outputs)`; or classes, whole numbers of shape `(n,)`, which
            stand for one-hot rows.
    """

    inputs: Any
    targets: ArrayLike

    def __len__(self) -> int:
        return int(self.inputs.shape[0])


def prepare(dataset: Dataset, spec: MLPSpec, dtype: Any) -> Samples:
    """Lay `dataset` out for kernels: compressed rows that end in the bias's input.

    Raises:
        ValueError: If shapes do not fit the spec, or a class is out of range.
    """
    inputs = dataset.inputs
    n, columns = inputs.shape
    if columns != spec.widths[0]:
        raise ValueError(
            f"inputs has shape {(n, columns)}, but the network takes "
            f"{spec.widths[0]} inputs: give shape (n, {spec.widths[0]})."
        )
    target, label = _targets(np.asarray(dataset.targets), n, spec.widths[-1], dtype)
    is_dense = not hasattr(inputs, "indptr")
    if is_dense:
        table = np.ascontiguousarray(inputs, dtype=dtype)
        is_dense = int(np.count_nonzero(table)) > _DENSE_FROM * table.size
        if is_dense:
            if spec.bias:
                table = np.concatenate([table, np.ones((n, 1), dtype)], axis=1)
            start = np.arange(n + 1, dtype=np.int64) * table.shape[1]
            index = np.arange(table.shape[1], dtype=np.uint32)
            value = np.ascontiguousarray(table).reshape(-1)
            return Samples(start, index, value, target, label, True)
        of_row, column = np.nonzero(table)
        value = table[of_row, column]
        length = np.bincount(of_row, minlength=n)
    else:
        length = np.diff(inputs.indptr)
        column, value = inputs.indices, inputs.data
    start = np.concatenate(([0], np.cumsum(length))).astype(np.int64)
    if spec.bias:
        value = np.insert(value, start[1:], 1.0)
        column = np.insert(column, start[1:], columns)
        start = start + np.arange(n + 1)
    return Samples(
        start=start,
        column=np.array(column, dtype=np.uint32),
        value=np.array(value, dtype=dtype),
        target=target,
        label=label,
        is_dense=False,
    )


def _targets(
    targets: NDArray[Any], n: int, outputs: int, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if targets.shape == (n,) and np.issubdtype(targets.dtype, np.integer):
        label = targets.astype(np.int64)
        if n and not (label.min() >= 0 and label.max() < outputs):
            raise ValueError(
                f"classes run from {label.min()} to {label.max()}, but there are "
                f"{outputs} outputs: number classes from 0 to {outputs - 1}."
            )
        target = np.zeros((n, outputs), dtype)
        target[np.arange(n), label] = 1.0
        return target.reshape(-1), label
    if targets.shape != (n, outputs):
        raise ValueError(
            f"targets has shape {targets.shape}, but {n} samples and {outputs} outputs "
            f"need ({n}, {outputs}), or classes of shape ({n},)."
        )
    target = np.array(targets, dtype=dtype)
    is_one_hot = (
        outputs > 1
        and bool(np.all((target == 0) | (target == 1)))
        and bool(np.all(target.sum(axis=1) == 1))
    )
    label = target.argmax(axis=1).astype(np.int64) if is_one_hot else _no_labels()
    return target.reshape(-1), label


def _no_labels() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@compiled
def _mix(state: np.uint64) -> np.uint64:
    """Scramble 64 bits: the output function of SplitMix64."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def shuffled_epochs(
    out: NDArray[np.int64], seed: int, first_epoch: int, epochs: int, samples: int
) -> None:
    """Write the orders of `epochs` epochs to `out`, one after the other.

    Epoch e of seed s shuffles 0..samples-1 by Fisher and Yates, from the end down,
    taking for position i the number `(x >> 32) * (i + 1) >> 32` of the next SplitMix64
    output x. The generator starts at `mix(mix(s + gamma) + e)`.
    """
    gamma = np.uint64(0x9E3779B97F4A7C15)
    for e in range(epochs):
        state = _mix(_mix(np.uint64(seed) + gamma) + np.uint64(first_epoch + e))
        base = e * samples
        for i in range(samples):
            out[np.uintp(base + i)] = i
        for i in range(samples - 1, 0, -1):
            state += gamma
            drawn = (_mix(state) >> np.uint64(32)) * np.uint64(i + 1) >> np.uint64(32)
            here, there = np.uintp(base + i), np.uintp(base + np.int64(drawn))
            out[here], out[there] = out[there], out[here]
