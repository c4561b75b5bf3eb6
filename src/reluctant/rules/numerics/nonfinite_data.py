"""NUM102 nonfinite-data."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import INPUT_NONFINITE, LOSS
from reluctant.rules._base import Rule


@dataclass(frozen=True)
class NonfiniteData(Rule):
    """The data hold nan or inf.

    ## Why it stops training
    One entry that is no number makes the loss of its batch none, and the step that
    follows makes every weight none.

    ## How it is measured
    Where a loss is no number, its graph is followed back to the batch; and the share of
    the inputs that is not finite, at sampled steps.

    ## Sick
    ```python
    x[::97, 3] = float("nan")
    ```

    ## Healthy
    ```python
    x[::97, 3] = float(0)
    ```

    ## Blind spots
    Samples that were never drawn.

    ## Options
    - `share`: Share of entries of a batch above which inputs are not finite.

    ## References
    - [Goldberg1991] What every computer scientist should know about floating-point
      arithmetic.
    """

    share: float = 0.0

    code = "NUM102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if inputs or targets were not finite."""
        notes = [n for n in trace.notes("nonfinite") if n.site in ("input", "target")]
        steps, share = trace.series(INPUT_NONFINITE)
        hit = np.flatnonzero(np.nan_to_num(share) > self.share)
        if not notes and not hit.size:
            return
        since = min(
            [n.step for n in notes] + ([int(steps[hit[0]])] if hit.size else [])
        )
        text = (
            f"the {notes[0].site} {notes[0].text}"
            if notes
            else (
                f"{float(share[hit[0]]):.2%} of the entries of the inputs are nan or "
                f"inf at "
                f"step {int(steps[hit[0]])}"
            )
        )
        yield self.finding(
            f"{text} (limit {self.share:g})",
            evidence=(
                Evidence(
                    quantity=INPUT_NONFINITE.name,
                    site="",
                    step=since,
                    value=float(share[hit[0]]) if hit.size else float("nan"),
                    limit=self.share,
                    note=text,
                ),
            ),
            since_step=since,
            confidence=Confidence.HIGH,
        )
