"""GRD501 ill-conditioned."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import JOINT_MOMENTS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class IllConditioned(Rule):
    """The steps go along few steep directions; what is to be learnt lies along others.

    ## Why it stops training
    The step must be short enough for the steepest direction. Along one that is a
    thousand times flatter it is then a thousand times too short. Inputs that are nearly
    copies of each other, powers of one number, or of very different size make such
    directions, from the first layer on.

    ## How it is measured
    For tables of few columns and a squared error: the second moments of inputs and
    targets over the sampled batches. They give the condition number of the inputs, and
    what a least-squares fit explains. A finding where that fit explains `gap` more than
    the network has come to, and the inputs are ill-conditioned: what is missing is
    linear, and it is there.

    ## Sick
    ```python
    mix = torch.eye(32)[:, :2] @ torch.tensor([[1.0, 1.0], [0.01, -0.01]])
    x = torch.randn(1024, 32) @ mix
    y = (x[:, :1] - x[:, 1:]) / (x[:, :1] - x[:, 1:]).std()
    model, loss = nn.Linear(2, 1), F.mse_loss
    ```

    ## Healthy
    ```python
    mix = torch.eye(32)[:, :2] @ torch.tensor([[1.0, 1.0], [1.00, -1.00]])
    x = torch.randn(1024, 32) @ mix
    y = (x[:, :1] - x[:, 1:]) / (x[:, :1] - x[:, 1:]).std()
    model, loss = nn.Linear(2, 1), F.mse_loss
    ```

    ## Blind spots
    Directions that the layers make themselves, images, classes, and optimizers that
    know the curvature, which need no such help.

    ## Options
    - `condition`: Of the inputs' covariance, largest over smallest of the directions
      that the fit uses. Standardized columns of real tables come to a few hundred.
    - `gap`: Share of the targets' variance that the fit explains beyond the network.
    - `samples`: For each column, so that the fit is no chance.
    - `min_steps`: How many steps must have passed.

    ## References
    - [LeCun1998] Efficient backprop.
    """

    condition: float = 300.0
    gap: float = 0.2
    samples: int = 10
    min_steps: int = 100

    code = "GRD501"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if a linear fit finds what the training does not."""
        part = sound(trace)
        moments = trace.units(JOINT_MOMENTS, "").values
        moments = moments[np.isfinite(moments).all(axis=1)] if moments.size else moments
        if not len(moments):
            return  # no table of few columns
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        outputs = max(1, part.setup.loss.outputs if part.setup.loss else 1)
        side = isqrt(moments.shape[1])
        columns = side - 1 - outputs
        rows = len(moments) * max(1, part.setup.batch_size)
        if columns < 2 or side * side != moments.shape[1]:
            return
        if rows < self.samples * columns:
            raise Blind(f"{rows} samples, {self.samples * columns} needed")
        learnt = skill(part)
        if not learnt.is_exact or not np.isfinite(learnt.value):
            return
        explained, condition = _fit(moments.mean(0).reshape(side, side), columns)
        if condition < self.condition or explained - learnt.value < self.gap:
            return
        yield self.finding(
            f"a linear fit to the same {columns} columns explains {explained:.0%} of "
            f"the targets, the network {learnt.value:.0%} after {part.last_step + 1} "
            f"steps (limit {self.gap:.0%} apart); the inputs have a condition number "
            f"of {condition:.2g} (limit {self.condition:g})",
            evidence=(
                Evidence(
                    quantity="condition",
                    site="",
                    step=part.last_step,
                    value=condition,
                    limit=self.condition,
                    note="of the inputs' covariance, over what the fit uses",
                ),
                Evidence(
                    quantity="explained",
                    site="",
                    step=part.last_step,
                    value=explained - learnt.value,
                    limit=self.gap,
                    note=f"by least squares on {rows:,} samples, beyond the network",
                ),
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )


def _fit(moments: NDArray[np.float64], columns: int) -> tuple[float, float]:
    """What least squares explain of the targets, and the condition of what it uses.

    The directions are those of the inputs' covariance, steepest first; those count that
    it takes to explain nearly all that can be.
    """
    mean = moments[columns]
    centered = moments - np.outer(mean, mean)
    spread, directions = np.linalg.eigh(centered[:columns, :columns])
    spread, directions = spread[::-1], directions[:, ::-1]
    keep = spread > 1e-10 * max(float(spread[0]), 1e-300)
    spread, directions = spread[keep], directions[:, keep]
    total = float(np.trace(centered[columns + 1 :, columns + 1 :]))
    if not len(spread) or not total > 0:
        return 0.0, 1.0
    shared = directions.T @ centered[:columns, columns + 1 :]
    parts = np.cumsum((shared**2).sum(axis=1) / spread) / total
    explained = min(float(parts[-1]), 1.0)
    needed = int(np.searchsorted(parts, 0.9 * parts[-1]))
    return explained, float(spread[0] / spread[min(needed, len(spread) - 1)])
