"""Which DataLoaders there are: what a training could see, and how it is cut up."""

import gc
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


def more_data(batch: int) -> str:
    """A clause that names a loader of more samples than a batch; `""` without one.

    Args:
        batch: Samples of the batch that was seen.
    """
    for _, samples in _loaders():
        if samples > batch:
            return f"a DataLoader holds {samples:,} samples, the batch {batch:,}"
    return ""


def batches_an_epoch(batch: int) -> int:
    """How many batches one epoch has, if all loaders of this size agree; else 0.

    Args:
        batch: Samples of the batch that was seen.
    """
    found = {len(x) for x, _ in _loaders() if x.batch_size == batch}
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


def _loaders() -> Iterator[tuple[DataLoader[Any], int]]:
    """Those over a data set that has a length, with it."""
    for held in gc.get_objects():
        try:
            # of the type, for to ask a proxy for its class may warn or run its code
            if not issubclass(type(held), DataLoader):
                continue
            yield held, len(held.dataset)
        except (TypeError, ReferenceError, NotImplementedError, AttributeError):
            continue
