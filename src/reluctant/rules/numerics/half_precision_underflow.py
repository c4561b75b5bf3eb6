"""NUM301 half-precision-underflow."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Quantity, Severity, Trace
from reluctant.records.quantities import (
    GRAD_NONFINITE,
    LOSS,
    SIGNAL_GRAD_SUBNORMAL,
    STEP_SKIPPED,
    UPDATE_LOST,
    UPDATE_RMS,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import course, sound

_DIGITS = {"float16": 11, "bfloat16": 8}


@dataclass(frozen=True)
class HalfPrecisionUnderflow(Rule):
    """Gradients or updates are too small for the half precision that they are kept in.

    ## Why it stops training
    A bfloat16 number has 8 digits: an update of less than a 500th of a weight is
    rounded away, in full and at every step. A float16 number is 0 below 6e-8, so that
    small gradients are none unless the loss is scaled up, and so is Adam's mean of
    squares, which is then divided by.

    ## How it is measured
    At sampled steps. Of weights in half precision, the share of entries that have a
    gradient and that the step left as they were. Of float16 gradients between layers,
    the share of non-zero entries that are below the smallest normal number. Weights
    that are no numbers right after a step of finite gradients. Little must have been
    learnt, for a network that is done moves little by right.

    ## Sick
    ```python
    kind = torch.bfloat16
    lr, model, x = 0.002, model.to(kind), x.to(kind)
    loss = lambda z, y: F.cross_entropy(z.float(), y)
    ```

    ## Healthy
    ```python
    kind = torch.float32
    lr, model, x = 0.002, model.to(kind), x.to(kind)
    loss = lambda z, y: F.cross_entropy(z.float(), y)
    ```

    ## Blind spots
    Layers that were not seen to run; optimizers that keep copies in full precision.

    ## Options
    - `lost`: Share of all entries with a gradient that stay as they were in the first
      third of the run, where there is most to learn: more than half. Trainings that
      bear such weights lose 5 % there.
    - `lost_late`: The same later, where steps are shorter by right: one of a thousandth
      of the weight loses about this.
    - `subnormal`: Share of non-zero entries that have lost digits, in the middle layer:
      where it is most of them, a tail of others is 0.
    - `skill`: What counts as done.
    - `min_steps`: How many steps must have passed.

    ## References
    - [Micikevicius2018] Mixed precision training.
    """

    lost: float = 0.5
    lost_late: float = 0.8
    subnormal: float = 0.9
    skill: float = 0.8
    min_steps: int = 60

    code = "NUM301"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if what should train is rounded away."""
        part = sound(trace)
        broken = _broken_update(trace)
        if broken:
            site, step = broken
            yield self._found(
                UPDATE_RMS,
                f"the update of {site} is no number at step {step}, though its "
                f"gradient is: in float16 the mean of squares and epsilon are both 0",
                site,
                (1.0, 0.0),
                step=step,
                severity=Severity.ERROR,
            )
            return
        third = part.last_step // 3
        lost, worst = _lost(part, 0, third)
        limit = self.lost
        if lost < limit:  # later, only where it has learnt little until then
            lost, worst = _lost(part, third, part.last_step)
            limit = self.lost_late
        small, layer = _subnormal(part.until(third))
        if not (lost >= limit or small >= self.subnormal):
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        run, learnt = course(part), skill(part)
        if not np.isfinite(learnt.value):
            raise Blind("the loss has no level to compare with")
        # a loss that is divided by something has no constant to compare with
        gone = 1 - run.late / run.start if run.start > 0 else learnt.value
        if min(learnt.value, gone) >= self.skill:
            return
        tail = f"; the loss fell from {run.start:.3g} to {run.late:.3g}"
        if small >= self.subnormal:
            yield self._found(
                SIGNAL_GRAD_SUBNORMAL,
                f"{small:.0%} of the float16 gradient's entries are below its smallest "
                f"normal number in the middle layer (limit {self.subnormal:.0%}), and "
                f"no scale lifts them{tail}",
                layer,
                (small, self.subnormal),
                step=part.last_step,
            )
            return
        yield self._found(
            UPDATE_LOST,
            f"{lost:.0%} of the entries with a gradient are left as they were by a "
            f"step (limit {limit:.0%}): the update is below half of the last digit of "
            f"a {_dtype(part, worst)} weight{tail}",
            worst,
            (lost, limit),
            step=part.last_step,
        )

    def _found(
        self,
        quantity: Quantity,
        text: str,
        site: str,
        value_and_limit: tuple[float, float],
        *,
        step: int,
        severity: Severity | None = None,
    ) -> Finding:
        value, limit = value_and_limit
        return self.finding(
            text,
            evidence=(
                Evidence(
                    quantity=quantity.name,
                    site=site,
                    step=step,
                    value=value,
                    limit=limit,
                    note=quantity.meaning,
                ),
            ),
            since_step=step if severity else 0,
            severity=severity,
            confidence=Confidence.HIGH,
        )


def _dtype(trace: Trace, site: str) -> str:
    kinds = {p.name: p.dtype for p in trace.setup.parameters}
    return kinds.get(site, "half-precision")


def _lost(trace: Trace, first: int, last: int) -> tuple[float, str]:
    """Share of lost updates over all entries, and where it is worst."""
    sizes = {p.name: prod(p.shape) for p in trace.setup.parameters}
    shares: dict[str, float] = {}
    for site in trace.sites(UPDATE_LOST):
        steps, values = trace.series(UPDATE_LOST, site)
        values = values[(steps >= first) & (steps <= last) & np.isfinite(values)]
        if values.size:
            shares[site] = float(values.mean())
    total = sum(sizes.get(site, 1) for site in shares)
    if not total:
        return 0.0, ""
    mean = sum(share * sizes.get(site, 1) for site, share in shares.items()) / total
    return mean, max(shares, key=shares.__getitem__)


def _subnormal(trace: Trace) -> tuple[float, str]:
    """Share of small entries in the middle layer, and the worst layer."""
    shares: dict[str, float] = {}
    skipped = trace.series(STEP_SKIPPED).steps  # there the scale was still sought
    for site in trace.sites(SIGNAL_GRAD_SUBNORMAL):
        steps, values = trace.series(SIGNAL_GRAD_SUBNORMAL, site)
        values = values[np.isfinite(values) & ~np.isin(steps, skipped)]
        if values.size:
            shares[site] = float(np.median(values))
    if not shares:
        return 0.0, ""
    worst = max(shares, key=shares.__getitem__)
    return float(np.median(list(shares.values()))), worst


def _broken_update(trace: Trace) -> tuple[str, int] | None:
    """The first float16 parameter whose finite gradient made an update that is none."""
    for parameter in trace.setup.parameters:
        if parameter.dtype not in _DIGITS:
            continue
        steps, values = trace.series(UPDATE_RMS, parameter.name)
        at, share = trace.series(GRAD_NONFINITE, parameter.name)
        for step in steps[~np.isfinite(values)][:1].tolist():
            if (share[at == step] == 0).any():
                return parameter.name, step
    return None
