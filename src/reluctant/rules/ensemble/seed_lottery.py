"""ENS201 seed-lottery."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, SuccessMap
from reluctant.rules._base import Blind, EnsembleRule
from reluctant.rules.ensemble._shares import Share, best, has_trained, parts, shares
from reluctant.stats import expected_trials, trials_for


@dataclass(frozen=True)
class SeedLottery(EnsembleRule):
    """The seed decides whether it learns, at every learning rate that was tried.

    ## Why it stops training
    Some starts lead to a solution and others do not, and no learning rate changes that.
    One success proves little, and neither does one failure.

    ## How it is measured
    The share of seeds that succeed, at each learning rate. It is a lottery where some
    succeed and yet at every rate the interval of the probability ends below `reliable`.
    Seeds that differ at one rate, while all succeed at another, are no lottery: that is
    what every threshold looks like. What lacked only steps counts as success.

    ## Sick
    ```python
    units = 2
    ```

    ## Healthy
    ```python
    units = 32
    ```

    ## Blind spots
    Rates that were not tried. What counts as success is the map's criterion: one that
    asks too much makes a lottery of any recipe.

    ## Options
    - `reliable`: Of a recipe that fails one time in twenty few would say that it fails.
    - `min_seeds`: At the best rate. With fewer the interval is half as wide as all
      there is.

    ## References
    - [Wilson1927] Probable inference, the law of succession, and statistical inference.
    """

    reliable: float = 0.95
    min_seeds: int = 8

    code = "ENS201"
    severity = Severity.WARNING
    since = "0.1.0"

    def check(self, found: SuccessMap) -> Iterator[Finding]:
        """Yield one finding if no learning rate is reliable, but some seed succeeds."""
        drawn: list[tuple[str, Share]] = []
        judged = False
        for name, part in parts(found):
            top = best(part)
            if not top or not has_trained(part) or top.n < self.min_seeds:
                continue
            judged = True
            if all(share.interval()[1] < self.reliable for share in shares(part)):
                drawn.append((name, top))
        if not judged:
            raise Blind(
                f"no setting at which a training succeeded has {self.min_seeds} seeds "
                "at its best rate"
            )
        if not drawn:
            return
        name, worst = min(drawn, key=lambda item: item[1].value)
        low, high = worst.interval()
        at = f" at {name}" if name else ""
        yield self.finding(
            f"at the best rate, {worst.rate:.3g}, {worst.good} of {worst.n} seeds "
            f"succeed{at} ({low:.0%} to {high:.0%}, limit {self.reliable:.0%}): one "
            f"success takes {expected_trials(worst.value):.3g} trainings on average, "
            f"{trials_for(worst.value):.0f} to have one in 99 of 100 cases",
            evidence=tuple(
                Evidence(
                    quantity="success_probability",
                    site=site,
                    step=-1,
                    value=share.value,
                    limit=self.reliable,
                    note=f"{share.good} of {share.n} seeds at rate {share.rate:.3g}",
                )
                for site, share in sorted(drawn, key=lambda item: item[1].value)
            ),
            since_step=0,
            confidence=Confidence.HIGH if high < 0.8 else Confidence.MEDIUM,
        )
