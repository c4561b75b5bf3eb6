"""FIT301 stuck-basin."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, SuccessMap
from reluctant.rules._base import Blind, EnsembleRule
from reluctant.rules.ensemble._shares import Share, best, has_trained, parts
from reluctant.stats import trials_for, wilson_interval


@dataclass(frozen=True)
class StuckBasin(EnsembleRule):
    """Many starts end in a valley whose floor is far above what others reach.

    ## Why it stops training
    The loss has basins. In some of them it comes to rest at a value that is finite, no
    longer falls, and is not good enough; longer training does not lead out.

    ## How it is measured
    At the learning rate at which most seeds succeed, the share that is stuck: not dead,
    not diverged, and the loss falls by less than 3 % in a tenth of the training. The
    lower end of its interval is at least `share`, and others succeed at that rate.

    ## Sick
    ```python
    units = 2
    ```

    ## Healthy
    ```python
    units = 32
    ```

    ## Blind spots
    A long plateau, after which it would go on, is no basin but looks like one.

    ## Options
    - `share`: One start in twenty that is stuck is had anywhere.
    - `min_seeds`: At the best rate.

    ## References
    - [Wilson1927] Probable inference, the law of succession, and statistical inference.
    """

    share: float = 0.05
    min_seeds: int = 8

    code = "FIT301"
    severity = Severity.WARNING
    since = "0.1.0"

    def check(self, found: SuccessMap) -> Iterator[Finding]:
        """Yield one finding if many seeds are stuck where others succeed."""
        stuck: list[tuple[int, str, Share]] = []
        judged = False
        for name, part in parts(found):
            top = best(part)
            if not top or not has_trained(part) or top.n < self.min_seeds:
                continue
            judged = True
            count = top.failures.get("stuck", 0)
            if wilson_interval(count, top.n)[0] >= self.share and top.good:
                stuck.append((count, name, top))
        if not judged:
            raise Blind(
                f"no setting at which a training succeeded has {self.min_seeds} seeds "
                "at its best rate"
            )
        if not stuck:
            return
        stuck.sort(key=lambda item: -item[0] / item[2].n)
        count, name, top = stuck[0]
        low, high = wilson_interval(count, top.n)
        at = f" at {name}" if name else ""
        yield self.finding(
            f"{count} of {top.n} seeds come to rest too high{at} ({low:.0%} to "
            f"{high:.0%}, limit {self.share:.0%}) at the best rate, {top.rate:.3g}; "
            f"{trials_for(top.value):.0f} restarts have a success in 99 of 100 cases",
            evidence=tuple(
                Evidence(
                    quantity="stuck_share",
                    site=site,
                    step=-1,
                    value=n / share.n,
                    limit=self.share,
                    note=f"{n} of {share.n} seeds at rate {share.rate:.3g}",
                )
                for n, site, share in stuck
            ),
            since_step=0,
            confidence=Confidence.HIGH if low > 0.2 else Confidence.MEDIUM,
        )
