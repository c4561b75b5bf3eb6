"""lower-learning-rate."""

from dataclasses import dataclass
from math import isfinite

from reluctant.records import Finding, Prescription, ScaleLearningRate, Trace
from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import dosed, rounded


@dataclass(frozen=True)
class LowerLearningRate(Remedy):
    """Take shorter steps: down to the measured limit, and some way below it.

    ## When it helps
    The step gauge was past its limit when harm set in. For gradient descent the gauge
    is in proportion to the learning rate, so the limit can be read off: a rate at which
    the gauge would have been `margin` of it.

    ## When it hurts
    Where the harm has another cause, such as a start that is too large, a lower rate
    only makes it slow. Units that are dead already stay dead: start over.

    ## What it changes
    The learning rate of every parameter group, by one factor.

    ## Options
    - `limit`: The gauge at which the average step no longer goes down.
    - `margin`: Share of the limit to aim at. The limit itself falls by up to a half
      while the network trains on, so less than half of it stays below.
    - `unmeasured`: Factor where no gauge was taken.
    - `least`: Smallest factor: a gauge that was read while the loss exploded says that
      the step was too long, and no longer by how much.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
      stability.
    - [Andreyev2024] Edge of stochastic stability: revisiting the edge of stability for
      SGD.
    """

    limit: float = 2.0
    margin: float = 0.4
    unmeasured: float = 0.1
    least: float = 0.01

    treats = ("NUM201", "STP101", "STP103", "STP201")
    may_treat = ("UNT101", "UNT102", "UNT201", "UNT501", "NUM101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Scale every learning rate so that the gauge comes below its limit."""
        gauges = [e.value for e in finding.evidence if e.quantity == "gauge"]
        if gauges and isfinite(gauges[0]) and gauges[0] > 0:
            factor = self.margin * self.limit / gauges[0]
            because = f"the gauge was {gauges[0]:.3g}, {self.limit:g} is its limit"
            if factor < self.least:
                factor = self.least
                because += ", and it was read while the loss exploded"
        else:
            factor = self.unmeasured
            because = "the loss rises, and no gauge says by how much steps are too long"
        if factor > 0.99:  # no change, to two digits
            return None
        change = ScaleLearningRate(rounded(factor))
        return dosed(self.name(), finding.code, change, because, trace)
