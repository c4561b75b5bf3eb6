"""NUM101 nonfinite-loss."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Note, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule

_DATA = ("input", "target")  # sites of notes about what the user fed


@dataclass(frozen=True)
class NonfiniteLoss(Rule):
    """The loss is nan or infinite.

    ## Why it stops training
    A loss of nan has gradients of nan, and one such step writes nan into every weight.
    From then on no batch gives a number again.

    ## How it is measured
    The loss of every step, and what was not finite at the first step where the loss
    was not: the batch, the targets, a parameter, or else the first operation in the
    forward pass with finite inputs and an output that is not.

    ## Sick
    ```python
    x[3, 0] = float("nan")
    ```

    ## Healthy
    ```python
    x[3, 0] = float(0)
    ```

    ## Blind spots
    A gradient that overflows while the loss is finite is not seen here. A loss scaler
    skips such steps, and they are ordinary. Where the loss grew before it broke,
    STP201 says so, and this finding is its consequence.

    ## Options
    - `steps`: How many losses in a row make it certain; a single one that is followed
      by finite ones did no lasting harm, and is a warning.

    ## References
    - [Goldberg1991] What every computer scientist should know about floating-point
      arithmetic.
    """

    steps: int = 1

    code = "NUM101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if a loss was not finite."""
        steps, values = trace.series(LOSS)
        if not len(values):
            raise Blind("no loss was read")
        broken = np.flatnonzero(~np.isfinite(values))
        if not broken.size:
            return
        first, step = int(broken[0]), int(steps[broken[0]])
        for_good = not np.isfinite(values[first:]).any()
        is_certain = for_good and len(values) - first >= self.steps
        notes = _by_source(trace.notes("nonfinite"), step)
        source = f": {_told(notes[0])}" if notes else ""
        count = f"{broken.size} of {len(values)} losses are not finite"
        yield self.finding(
            f"the loss is {values[first]:g} at step {step}{source}; {count}",
            evidence=(
                *(
                    Evidence(
                        quantity="finite",
                        site=note.site,
                        step=note.step,
                        value=0.0,
                        limit=1.0,
                        note=note.text,
                    )
                    for note in notes
                ),
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=step,
                    value=float(values[first]),
                    limit=float("inf"),
                    note=count,
                ),
            ),
            since_step=step,
            severity=Severity.ERROR if for_good else Severity.WARNING,
            confidence=Confidence.HIGH if is_certain else Confidence.MEDIUM,
        )


def _told(note: Note) -> str:
    site = f"the {note.site}" if note.site in _DATA else note.site
    return f"{site} {note.text}".strip()


def _by_source(notes: tuple[Note, ...], step: int) -> list[Note]:
    """Notes up to the first broken loss; what the user fed comes first."""
    early = [n for n in notes if n.step <= step] or list(notes)[:1]
    return sorted(early, key=lambda n: n.site not in _DATA)
