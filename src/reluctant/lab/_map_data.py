"""The whole training data of a recipe as two tensors, where it has such."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from reluctant.lab._random import RandomStates
from reluctant.lab._recipe import Training
from reluctant.lab.engines import shuffled_epochs

MOST_SAMPLES = 200_000  # of a data set that has to be read item by item


class NotWholeError(ValueError):
    """The data are not a fixed set of samples; the message says why."""


class WholeData(NamedTuple):
    """All samples, and how they are drawn.

    Attributes:
        inputs: Shape `(n, ...)`.
        targets: Shape `(n, ...)`.
        batch_size: Samples a step.
        drop_last: Whether a smaller last batch is left out.
        order: `shuffled` anew for each epoch, or `fixed`.
    """

    inputs: Tensor
    targets: Tensor
    batch_size: int
    drop_last: bool
    order: Literal["shuffled", "fixed"]


class Ordered:
    """Batches of whole data in the order that the fused engine draws.

    Args:
        data: All of it.
        seed: Of the order.
    """

    def __init__(self, data: WholeData, seed: int) -> None:
        self.data, self._seed, self._epoch = data, seed, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.data.inputs)
        order = np.arange(n)
        if self.data.order == "shuffled":
            shuffled_epochs(order, self._seed, self._epoch, 1, n)
        self._epoch += 1
        chosen = torch.from_numpy(order)
        for part in chosen.split(self.data.batch_size):
            if len(part) == self.data.batch_size or not self.data.drop_last:
                yield self.data.inputs[part], self.data.targets[part]


def whole_data(training: Training) -> WholeData:
    """Read the data of a training without taking any of its batches.

    Raises:
        NotWholeError: If they are not a fixed set of samples; the message says why.
    """
    batches = training.batches
    if isinstance(batches, DataLoader):
        return _of_loader(batches)
    if isinstance(batches, list | tuple):
        return _of_list(batches)
    if isinstance(batches, Ordered):
        return batches.data
    raise NotWholeError(
        f"batches is a {type(batches).__name__}, not a DataLoader or a list"
    )


def _of_list(batches: list[Any] | tuple[Any, ...]) -> WholeData:
    pairs = [b for b in batches if isinstance(b, list | tuple) and len(b) == 2]
    tensors = all(isinstance(part, Tensor) for pair in pairs for part in pair)
    if not pairs or len(pairs) != len(batches) or not tensors:
        raise NotWholeError("batches is not a list of pairs of tensors")
    sizes = [len(x) for x, _ in pairs]
    if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
        raise NotWholeError("batches differ in size")
    x, y = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return WholeData(x, y, sizes[0], False, "fixed")


def _of_loader(loader: DataLoader[Any]) -> WholeData:
    kind = type(loader.sampler)
    if isinstance(loader.dataset, IterableDataset) or loader.batch_size is None:
        raise NotWholeError("the DataLoader has no map-style data set in batches")
    if kind not in (RandomSampler, SequentialSampler):
        raise NotWholeError(f"the DataLoader draws by a {kind.__name__}")
    if isinstance(loader.sampler, RandomSampler) and (
        loader.sampler.replacement or loader.sampler.num_samples != len(loader.dataset)  # type: ignore[arg-type]
    ):
        raise NotWholeError("the DataLoader draws with replacement, or only a part")
    if loader.collate_fn is not default_collate:
        raise NotWholeError("the DataLoader has a collate_fn of its own")
    x, y = _items(loader.dataset)
    order: Literal["shuffled", "fixed"]
    order = "shuffled" if kind is RandomSampler else "fixed"
    return WholeData(x, y, loader.batch_size, loader.drop_last, order)


def _items(dataset: Any) -> tuple[Tensor, Tensor]:
    if type(dataset) is TensorDataset:
        if len(dataset.tensors) != 2:
            raise NotWholeError(f"a sample has {len(dataset.tensors)} parts, not 2")
        return dataset.tensors[0], dataset.tensors[1]
    if len(dataset) > MOST_SAMPLES:
        raise NotWholeError(f"the data set has more than {MOST_SAMPLES:,} samples")
    before = RandomStates.now()
    items = default_collate([dataset[i] for i in range(len(dataset))])
    after = RandomStates.now()
    drew = not torch.equal(before.torch, after.torch) or before.python != after.python
    drew = drew or str(before.numpy) != str(after.numpy)
    before.restore()
    if drew:
        raise NotWholeError("the data set draws its samples at random")
    if not (
        isinstance(items, list | tuple)
        and len(items) == 2
        and all(isinstance(part, Tensor) for part in items)
    ):
        raise NotWholeError("a sample of the data set is not a pair of tensors")
    return items[0], items[1]
