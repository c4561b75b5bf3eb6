"""FIT201 underfit-plateau."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import DATA_BATCHES, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import Skill, skill, targets
from reluctant.rules._loss import course, late_step, sound, stretches
from reluctant.rules._outputs import middle, spread, stands
from reluctant.stats import block_medians


@dataclass(frozen=True)
class UnderfitPlateau(Rule):
    """The loss has stopped falling while most of it is still there.

    ## Why it stops training
    The network has learnt what it can in the way in which it is trained. What is left
    is either noise that no network could explain, and then all is well; or structure
    that this one is too small, too strongly regularized or trained too roughly for.
    Which of the two, the training loss alone does not say. So this is a note; but a
    warning where a long run has not learnt anything, and no other rule knows why.

    ## How it is measured
    The mean loss over the third quarter of the run and over the last differ by less
    than their noise, or than a hundredth; and the skill against the best constant
    predictor lies between nothing and `skill`.

    ## Sick
    ```python
    y = torch.where(torch.rand(1024) < 0.6, torch.randint(4, (1024,)), y)
    ```

    ## Healthy
    ```python
    y = torch.where(torch.rand(1024) < 0.00, torch.randint(4, (1024,)), y)
    ```

    ## Blind spots
    A loss of an unknown kind has no best constant to compare with.

    ## Options
    - `skill`: Share of the constant predictor's loss that is gone, below which most is
      still there.
    - `learnt`: What counts as having learnt something.
    - `flat`: Relative change from the third quarter to the last.
    - `sigmas`: Standard errors of that change which count as none.
    - `spread`: Variance of the outputs between samples over that of the targets, below
      which it is a constant and HED101 speaks.
    - `long`: Steps from which on it is a warning if nothing was learnt at all.
    - `epochs`: How many epochs that must have been, where their length is known.
    - `min_steps`: How many steps must have been seen.

    ## References
    - [Goodfellow2016] Deep Learning, section 5.2: capacity and underfitting.
    """

    skill: float = 0.5
    learnt: float = 0.02
    flat: float = 0.01
    sigmas: float = 2.0
    spread: float = 1e-3
    long: int = 200
    epochs: float = 3.0
    min_steps: int = 100

    code = "FIT201"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note if the loss is flat and high."""
        trace = sound(trace)
        run = course(trace)
        if len(run.values) < self.min_steps:
            raise Blind(f"{len(run.values)} losses, {self.min_steps} needed")
        known = skill(trace)
        if not known.is_exact:
            raise Blind("the best constant predictor's loss is unknown")
        apart = middle(spread(trace, late_step(trace)).values)
        if not apart > 0:
            return
        is_nothing = self._is_nothing(trace, known, apart)
        if not is_nothing and not (
            self.learnt + 2 * known.error < known.value < self.skill
        ):
            return
        end = stretches(run, 4)
        change = abs(end.before - end.last)
        if change > max(self.flat * known.constant, self.sigmas * end.error):
            return
        yield self.finding(
            f"the loss has stood at {end.last:.4g} since step "
            f"{int(run.steps[-2 * end.size]):,}, {known.value:.0%} below the best "
            f"constant's {known.constant:.4g} (limit {self.skill:.0%}); "
            + (
                "nothing was learnt"
                if is_nothing
                else "whether the rest is noise the training loss does not say"
            ),
            evidence=(
                Evidence(
                    quantity="skill",
                    site="",
                    step=trace.last_step,
                    value=known.value,
                    limit=self.skill,
                    note=f"change over the last half {change:.2g}",
                ),
            ),
            since_step=int(run.steps[-2 * end.size]),
            severity=Severity.WARNING if is_nothing else None,
            confidence=Confidence.LOW,
        )

    def _is_nothing(self, trace: Trace, known: Skill, apart: float) -> bool:
        """Whether not a part of a long run was better than the best constant."""
        run = course(trace)
        if trace.last_step + 1 < self.long or known.error > self.learnt:
            return False
        if not apart > self.spread * targets(trace, late_step(trace, 0.5)).variance:
            return False  # a constant: HED101
        batches = trace.series(DATA_BATCHES).values
        if batches.size and trace.last_step + 1 < self.epochs * batches[-1]:
            return False
        best = float(block_medians(run.values, 10).min())
        return best > (1 - 2 * self.learnt) * known.constant and stands(trace)
