"""Batches of any nesting: their tensors, their samples, and copies of them."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data._utils.collate import default_collate

from reluctant.lab._recipe import copy_of_batches


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in nested tuples, lists and mappings, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [t for item in value for t in tensors(item)]
    return []


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nesting with every tensor changed; what is no tensor stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        new = copy.copy(value)  # whatever kind of mapping it is
        for key, item in value.items():
            new[key] = mapped(item, change)
        return new
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(v, change) for v in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(v, change) for v in value)
    return value


def length(inputs: Any, targets: Any = None) -> int:
    """Samples of a batch: the first axis of its first tensor; 0 if there is none."""
    for tensor in (*tensors(inputs), *tensors(targets)):
        if tensor.ndim:
            return int(tensor.shape[0])
    return 0


def chosen(batch: Any, rows: Tensor | slice) -> Any:
    """Some samples of everything in a batch that has as many rows as its inputs.

    Args:
        batch: `(inputs, targets)`.
        rows: Indices into the first axis.
    """
    n = length(batch)

    def pick(tensor: Tensor) -> Tensor:
        if not tensor.ndim or tensor.shape[0] != n:
            return tensor
        return tensor[rows.to(tensor.device) if isinstance(rows, Tensor) else rows]

    return mapped(batch, pick)


def joined(first: Any, second: Any) -> Any:
    """Two batches as one, along the first axis; what has none is the first one's."""
    others = iter(tensors(second))

    def join(tensor: Tensor) -> Tensor:
        other = next(others)
        return torch.cat([tensor, other]) if tensor.ndim else tensor

    return mapped(first, join)


def is_collated(batches: Any) -> bool:
    """Whether torch's own collation has put the samples on the first axis."""
    batches = getattr(batches, "inner", batches)
    return (
        isinstance(batches, DataLoader)
        and batches.batch_sampler is not None
        and batches.collate_fn is default_collate
    )


def without_dropout(model: nn.Module) -> bool:
    """Turn dropout off in a copy, all modes left as they are; whether there was any."""
    found = False
    for module in model.modules():
        is_dropout = isinstance(module, nn.modules.dropout._DropoutNd)
        has_dropout = isinstance(module, nn.MultiheadAttention | nn.RNNBase)
        name = "p" if is_dropout else "dropout"
        if (is_dropout or has_dropout) and getattr(module, name) > 0:
            setattr(module, name, 0.0)
            found = True
    return found


class Copies:
    """Batches that the user's own tensors are not in: a step may write into its input.

    Args:
        inner: Anything that yields batches and can be iterated anew.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __iter__(self) -> Iterator[Any]:
        for batch in self.inner:
            yield mapped(batch, torch.clone)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Copies":
        return Copies(copy_of_batches(self.inner))
