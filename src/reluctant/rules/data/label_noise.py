"""DAT302 label-noise."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    DATA_BATCHES,
    HELD_OUT_LOSS,
    LOSS,
    OUTPUT_MEAN,
    SUREST_WRONG,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import Skill, skill, targets
from reluctant.rules._held_out import held_out
from reluctant.rules._loss import course, late_step, sound
from reluctant.rules._outputs import middle, spread, stands
from reluctant.stats import block_medians


@dataclass(frozen=True)
class LabelNoise(Rule):
    """The labels do not follow from the inputs, as far as this network shows.

    ## Why it stops training
    Inputs that were shuffled without their labels, labels of another file, labels that
    were clicked at random: there is nothing to learn but their frequencies, and what is
    learnt beyond that is learnt by heart.

    ## How it is measured
    Three signs. A network that works, for its outputs differ between samples and move,
    but whose loss in a whole run never gets below the best constant's. A network that
    learns its own samples while the held-out loss, where the script evaluates, never
    gets below the best constant's. And, a note, labels that contradict the network just
    where it is surest: of the tenth of samples with the highest probability as many
    carry another label as of all. Classes that overlap contradict it where it is
    unsure.

    ## Sick
    ```python
    x, lr = x[torch.randperm(1024)], 0.02
    ```

    ## Healthy
    ```python
    x, lr = x[torch.arange(1024)], 0.02
    ```

    ## Blind spots
    Wrong labels that follow from the inputs. A task that is merely hard looks the same
    before it is solved, so no finding is of high confidence.

    ## Options
    - `skill`: Share of the constant predictor's loss below which nothing is learnt.
    - `spread`: Variance of the outputs between samples over that of the targets, from
      which on the network does tell samples apart. A plateau that is about to end has
      less.
    - `grown`: How far the outputs may have spread from the second quarter of the run to
      the last; beyond that something may be under way.
    - `by_heart`: Skill on the training data that shows that they are learnt: four times
      what counts as nothing.
    - `surest`: Share of other labels among the surest tenth that makes a note.
    - `min_steps`: How many steps it is given.
    - `min_samples`: How many samples it is given.
    - `min_epochs`: How many epochs, where their length is known.

    ## References
    - [Zhang2017] Understanding deep learning requires rethinking generalization.
    - [Arpit2017] A closer look at memorization in deep networks.
    """

    skill: float = 0.02
    spread: float = 0.01
    grown: float = 2.0
    by_heart: float = 0.08
    surest: float = 0.15
    min_steps: int = 100
    min_samples: int = 5000
    min_epochs: float = 3.0

    code = "DAT302"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MEAN)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if labels and inputs have nothing to do with each other."""
        trace = sound(trace)
        learnt = skill(trace)
        if not learnt.is_exact:
            raise Blind("the best constant predictor's loss is unknown")
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        seen = (trace.last_step + 1) * max(1, trace.setup.batch_size)
        if seen < self.min_samples:
            raise Blind(f"{seen} samples, {self.min_samples} needed")
        text, number = self._nothing(trace, learnt), learnt.value
        quantity, limit = "skill", self.skill
        severity = Severity.WARNING
        if not text:
            text, number = self._nothing_held_out(trace, learnt)
        if not text:
            text, number = self._contradicted(trace, learnt)
            quantity, limit = SUREST_WRONG.name, self.surest
            severity = Severity.NOTE
        if not text:
            return
        yield self.finding(
            text,
            evidence=(
                Evidence(
                    quantity=quantity,
                    site="",
                    step=trace.last_step,
                    value=number,
                    limit=limit,
                    note=f"standard error {learnt.error:.2g}",
                ),
            ),
            since_step=0,
            severity=severity,
            confidence=(
                Confidence.MEDIUM if severity is Severity.WARNING else Confidence.LOW
            ),
        )

    def _nothing(self, trace: Trace, learnt: Skill) -> str:
        """Whether a network that works never did better than a constant."""
        run, want = course(trace), targets(trace, late_step(trace, 0.5)).variance
        batches = trace.series(DATA_BATCHES).values
        if batches.size and trace.last_step + 1 < self.min_epochs * batches[-1]:
            return ""
        if not learnt.value <= self.skill or learnt.error > self.skill or not want > 0:
            return ""
        best = float(block_medians(run.values, 10).min())
        if best < (1 - 2 * self.skill) * learnt.constant or not stands(trace):
            return ""
        quarter = late_step(trace)
        late = middle(spread(trace, quarter).values)
        before = middle(spread(trace, quarter // 3, 2 * quarter // 3).values)
        if not late > self.spread * want or not late < self.grown * before:
            return ""
        return (
            f"in {trace.last_step + 1:,} steps the loss never got below the best "
            f"constant's {learnt.constant:.4g} (skill {learnt.value:.3f}, limit "
            f"{self.skill:g}), though outputs differ between samples by a variance of "
            f"{late:.2g} (limit {self.spread * want:.2g}): not as the labels do"
        )

    def _nothing_held_out(self, trace: Trace, learnt: Skill) -> tuple[str, float]:
        """Whether what was learnt of the training data holds of no others."""
        held = held_out(trace) if trace.has(HELD_OUT_LOSS) else None
        if held is None or learnt.value < self.by_heart:
            return "", 0.0
        # of the same kind and reduction: an untrained network is near the constant
        if not 0.5 <= held.values[0] / learnt.constant <= 3:
            return "", 0.0
        best = 1 - held.best / learnt.constant
        if best > self.skill or held.late < (1 + self.skill) * learnt.constant:
            return "", 0.0
        return (
            f"the training data are learnt (skill {learnt.value:.2f}), but the "
            f"held-out loss ({held.site or 'as handed over'}) was never below "
            f"{held.best:.4g}, where the best constant has "
            f"{learnt.constant:.4g} (skill {best:.3f}, limit {self.skill:g})"
        ), best

    def _contradicted(self, trace: Trace, learnt: Skill) -> tuple[str, float]:
        """Whether labels contradict the network just where it is surest."""
        steps, wrong = trace.series(SUREST_WRONG)
        wrong = wrong[(steps >= late_step(trace, 0.5)) & np.isfinite(wrong)]
        if len(wrong) < 5 or learnt.value < 0.1:
            return "", 0.0
        share = float(wrong.mean())
        error = float(wrong.std() / np.sqrt(len(wrong)))
        if share - 2 * error < self.surest:
            return "", 0.0
        return (
            f"of the tenth of samples that the network is surest of, {share:.0%} carry "
            f"another label (limit {self.surest:.0%}), late in the run; classes that "
            f"overlap are mistaken where it is unsure"
        ), share
