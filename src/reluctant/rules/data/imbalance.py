"""DAT301 imbalance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import CLASS_RIGHT, LOSS, TARGET_COUNT, TARGET_MEAN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import late_step, sound
from reluctant.stats import wilson_interval


@dataclass(frozen=True)
class Imbalance(Rule):
    """Nearly all samples are of one class, and the network hardly knows another.

    ## Why it stops training
    To say *the frequent class* is right nearly always and its loss is small, so the
    rare samples weigh little in any step. The score looks well while nothing of the
    inputs is used.

    ## How it is measured
    The share of the most frequent class in the targets seen, and skill against the best
    constant predictor, late in the run: imbalance that a network copes with is no
    finding. Of three classes and more also how many samples of the rare ones are
    recognized in the second half of the run, all together: a network may learn two
    classes of ten and have skill.

    ## Sick
    ```python
    y[:] = torch.randint(25, y.shape).clamp(max=1) ^ 1; x = torch.randn_like(x)
    ```

    ## Healthy
    ```python
    y[:] = (x[:, 0] > 0).long(); x = x * 1
    ```

    ## Blind spots
    Classes of a loss of unknown kind. Among many classes a single rare one. Rare
    samples that cannot be told from frequent ones look like rare ones not yet learnt.

    ## Options
    - `share`: Share of the most frequent class from which on classes count as unequal.
    - `rare`: A class is rare below this part of an even share.
    - `known`: Share of the rare samples that are recognized by a network that copes.
    - `skill`: What counts as having learnt something.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Lin2017] Focal loss for dense object detection.
    """

    share: float = 0.8
    rare: float = 1 / 3
    known: float = 0.6
    skill: float = 0.05
    min_steps: int = 100

    code = "DAT301"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the frequent class is all that was learnt."""
        share = _largest_share(trace)
        if not np.isfinite(share):
            return  # no classes
        if share < self.share or share == 1:
            return  # even enough; or one class alone asks for a constant
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(sound(trace))
        if not learnt.is_exact or not learnt.value >= -0.2:
            return  # a weighted loss, or something worse than this
        says = (
            f"the network is no better than saying so: skill {learnt.value:.3f} (limit "
            f"{self.skill:g})"
        )
        if not learnt.is_none(self.skill):
            says = self._unknown(sound(trace))
        if not says:
            return
        yield self.finding(
            f"{share:.1%} of the targets are of one class (limit {self.share:.0%}), "
            f"and {says}",
            evidence=(
                Evidence(
                    quantity=TARGET_COUNT.name,
                    site="",
                    step=trace.last_step,
                    value=share,
                    limit=self.share,
                    note="share of the most frequent class",
                ),
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )

    def _unknown(self, trace: Trace) -> str:
        """How few samples of the rare classes are recognized; `""` of enough."""
        half = late_step(trace, 0.5)
        counts, right = (
            found.values[found.steps >= half]
            for found in (trace.units(TARGET_COUNT, ""), trace.units(CLASS_RIGHT, ""))
        )
        if counts.ndim != 2 or counts.shape != right.shape or counts.shape[1] < 3:
            return ""
        counts, right = counts.sum(0), right.sum(0)
        is_rare = (counts > 0) & (counts < self.rare * counts.mean())
        samples, known = int(counts[is_rare].sum()), int(right[is_rare].sum())
        if is_rare.sum() < 2 or wilson_interval(known, samples)[1] > self.known:
            return ""
        return (
            f"of {samples} samples of the {is_rare.sum()} rare classes in the second "
            f"half of the run {known} were recognized (limit {self.known:.0%})"
        )


def _largest_share(trace: Trace) -> float:
    """Of the most frequent class, or of the more frequent side of one output."""
    loss = trace.setup.loss
    _, counts = trace.units(TARGET_COUNT, "")
    if counts.ndim == 2 and counts.size:
        pooled = counts[np.isfinite(counts).all(1)].sum(0)
        return float(pooled.max() / pooled.sum()) if pooled.sum() > 0 else float("nan")
    if loss is None or loss.kind not in ("bce", "bce-with-logits") or loss.outputs != 1:
        return float("nan")
    _, means = trace.units(TARGET_MEAN, "")
    means = means[np.isfinite(means).all(1)] if means.size else means
    if not means.size:
        return float("nan")
    p = float(means.mean())
    return max(p, 1 - p)
