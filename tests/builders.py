"""Write a trace by hand: the whole input of a rule, without torch."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from reluctant.records import Note, Reading, Setup, Trace

Run: TypeAlias = Sequence[float] | Sequence[Sequence[float]]


def trace_of(
    *,
    setup: Setup | None = None,
    notes: Sequence[Note] = (),
    every: int = 1,
    **runs: Run | Mapping[str, Run],
) -> Trace:
    """Readings by quantity, then by site; `every` steps apart.

    `trace_of(loss=[2.3, 2.1], grad_rms={"fc1.weight": [1e-3, 1e-3]})`; a run of
    sequences is a run of arrays, one entry a unit.
    """
    rows = [
        Reading(
            step * every,
            quantity,
            site,
            float(value)
            if isinstance(value, float | int)
            else np.asarray(value, np.float64),
        )
        for quantity, run in runs.items()
        for site, values in (run if isinstance(run, Mapping) else {"": run}).items()
        for step, value in enumerate(values)
    ]
    trace = Trace(sorted(rows, key=lambda row: row.step), setup=setup)
    for note in notes:
        trace.note(note)
    return trace
