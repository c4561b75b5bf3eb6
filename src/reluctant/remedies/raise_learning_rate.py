"""raise-learning-rate."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ScaleLearningRate, Trace
from reluctant.records.quantities import UPDATE_RATIO
from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import dosed, rounded


@dataclass(frozen=True)
class RaiseLearningRate(Remedy):
    """Take longer steps.

    ## When it helps
    The loss falls, and falls slowly, far below the limit of the step; or noise has
    to carry the weights out of a poor basin.

    ## When it hurts
    Past the limit of the step units die and the loss diverges: try it on copies.

    ## What it changes
    The learning rate of every group, by one factor.

    ## Options
    - `factor`: What learning rates are multiplied by, at least.
    - `usual`: Of a step over its weight; where the finding measured it, rates rise so
      far, and no further than `margin` of the gauge's `limit` allows.
    - `usual_adaptive`: The same for Adam and its like, whose steps do not get shorter
      as the gradient does: their usual rate of 1e-3 over weights of 0.03.
    - `most`: What they are multiplied by, at most.
    - `limit`: Of the gauge.
    - `margin`: Of the limit.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge
      of stability.
    """

    factor: float = 10.0
    usual: float = 1e-3
    usual_adaptive: float = 0.03
    most: float = 1000.0
    limit: float = 2.0
    margin: float = 0.4

    treats = ("STP301",)
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Scale every learning rate up, where one is known."""
        rates = [g.options.get("lr") for g in trace.setup.groups]
        if not any(isinstance(r, float | int) and r > 0 for r in rates):
            return None
        is_adaptive = all(group.is_adaptive for group in trace.setup.groups)
        usual = self.usual_adaptive if is_adaptive else self.usual
        factor = self._factor(finding, usual)
        because = "longer steps may get there, or get out"
        change = ScaleLearningRate(rounded(factor))
        return dosed(self.name(), finding.code, change, because, trace)

    def _factor(self, finding: Finding, usual: float) -> float:
        """As far as steps are too short, where that was measured."""
        seen = {e.quantity: e.value for e in finding.evidence if e.value > 0}
        moves, gauge = seen.get(UPDATE_RATIO.name), seen.get("gauge")
        if moves is None:
            return self.factor
        wanted = min(usual / moves, self.most)
        if gauge is not None:
            wanted = min(wanted, self.margin * self.limit / gauge)
        return max(self.factor, float(f"{wanted:.1g}"))
