"""Which DataLoaders there are: what a training could see, and how it is cut up."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from reluctant.live._models import alive

_KEPT, _FEWEST = 8, 4  # rows by which a batch is known again
_MOST_ENTRIES, _MOST_SEARCHED = 200_000, 200_000_000
_PART = 4  # times as many samples as the batch has make it a small part
_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)


class FirstBatch(NamedTuple):
    """What is kept of the first batch, to know it again among other data.

    Attributes:
        samples: How many it holds.
        rows: Copies of a few of them.
        held: Samples of the memory that it is a part of; `samples` if it is no part.
    """

    samples: int
    rows: Tensor
    held: int


def first_batch(batch: Tensor) -> FirstBatch | None:
    """Keep a few samples of a batch; None of one that holds next to nothing.

    Args:
        batch: The first axis is the sample.
    """
    count = batch.shape[0] if batch.ndim else 0
    size = batch.numel() // count if count else 0
    if count < _FEWEST or not 0 < size <= _MOST_ENTRIES or batch.is_sparse:
        return None
    rows = batch.detach()[:: max(1, count // _KEPT)][:_KEPT].clone()
    held = count
    if batch.is_contiguous():
        held = batch.untyped_storage().nbytes() // (size * batch.element_size())
    return FirstBatch(count, rows, held)


def more_data(batch: int, first: FirstBatch | None) -> str:
    """A clause that names data which the same batch again and again leaves out.

    A loader over more samples than the batch. Or a batch that is a small part of other
    data which the program holds: less than a quarter, for a training set is most of
    what there is, and of a size that people give to batches. `""` without either.

    Args:
        batch: Samples of the batch that was seen.
        first: Of the first batch.
    """
    for _, samples in _loaders():
        if samples > batch:
            return f"a DataLoader holds {samples:,} samples, the batch {batch:,}"
    if first is None or first.samples not in _SIZES:
        return ""
    if first.held >= _PART * first.samples:
        return (
            f"the batch is {batch:,} of {first.held:,} samples that lie in one tensor"
        )
    wanted, shape = first.rows, tuple(first.rows.shape[1:])
    for held in alive(Tensor):
        try:
            is_data = (
                tuple(held.shape[1:]) == shape
                and held.shape[0] >= _PART * first.samples
                and held.dtype == wanted.dtype
                and held.device == wanted.device
                and held.numel() <= _MOST_SEARCHED
            )
        except (RuntimeError, TypeError, ReferenceError, IndexError):
            continue
        if is_data and _holds(held.detach(), wanted):
            return (
                f"the batch is {batch:,} of {held.shape[0]:,} samples of a tensor that "
                f"the program holds"
            )
    return ""


def _holds(data: Tensor, rows: Tensor) -> bool:
    """Whether all rows are among the data."""
    flat = data.reshape(len(data), -1)
    return all(bool((flat == row.reshape(-1)).all(1).any()) for row in rows)


def batches_an_epoch(batch: int) -> int:
    """How many batches one epoch has, if all loaders of this size agree; else 0.

    Those that are being gone through come first: a loader of validation samples often
    has the same batch size, and waits.

    Args:
        batch: Samples of the batch that was seen.
    """
    running = {len(x) for x in _iterators() if x._index_sampler.batch_size == batch}
    found = running or {len(x) for x, _ in _loaders() if x.batch_size == batch}
    return found.pop() if len(found) == 1 else 0


def largest_loader(batch: int) -> DataLoader[Any] | None:
    """All data of the largest loader, in order and once, without processes.

    Args:
        batch: Samples of the batch that was seen: loaders of that size come first.
    """
    found = list(_loaders())
    same = [pair for pair in found if pair[0].batch_size == batch] or found
    if not same:
        return None
    loader, _ = max(same, key=lambda pair: pair[1])
    return DataLoader(
        loader.dataset, batch_size=max(batch, 1), collate_fn=loader.collate_fn
    )


def _iterators() -> Iterator[Any]:
    """Those of loaders over batches, begun and not yet at their end."""
    # no public name leads from a loader to the loop that runs over it
    for held in alive(_BaseDataLoaderIter):
        try:
            is_batched = isinstance(held._index_sampler, BatchSampler)
            if is_batched and 0 < held._num_yielded < len(held):
                yield held
        except (TypeError, ReferenceError, NotImplementedError, AttributeError):
            continue


def _loaders() -> Iterator[tuple[DataLoader[Any], int]]:
    """Those over a data set that has a length, with it."""
    for held in alive(DataLoader):
        try:
            dataset: Any = held.dataset  # which need not have a length
            yield held, len(dataset)
        except (TypeError, ReferenceError, NotImplementedError, AttributeError):
            continue
