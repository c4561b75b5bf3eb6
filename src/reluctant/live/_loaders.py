"""Which DataLoaders there are: whether a training could see more than it does."""

import gc

from torch.utils.data import DataLoader


def more_data(batch: int) -> str:
    """A clause that names a loader of more samples than a batch; `""` without one.

    Args:
        batch: Samples of the batch that was seen.
    """
    for held in gc.get_objects():
        try:
            # of the type, for to ask a proxy for its class may warn or run its code
            if not issubclass(type(held), DataLoader):
                continue
            samples = len(held.dataset)
        except (TypeError, ReferenceError, NotImplementedError, AttributeError):
            continue
        if samples > batch:
            return f"a DataLoader holds {samples:,} samples, the batch {batch:,}"
    return ""
