"""What the batches of a training are."""

from reluctant.records import Trace
from reluctant.records.quantities import BATCH_MARK, DATA_BATCHES


def is_full_batch(trace: Trace) -> bool:
    """Whether every batch is the same, as far as was seen."""
    batches = trace.series(DATA_BATCHES).values
    if batches.size:
        return bool(batches[-1] == 1)
    marks = trace.series(BATCH_MARK).values
    return len(marks) > 2 and bool((marks == marks[0]).all())
