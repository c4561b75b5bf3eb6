"""DAT401 constant-feature."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    INPUT_ACROSS,
    INPUT_MEAN,
    INPUT_SQUARE,
    INPUT_VARIATION,
    LOSS,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules.data._inputs import Features, features, trouble


@dataclass(frozen=True)
class ConstantFeature(Rule):
    """What the inputs could tell is lost: they do not differ between samples.

    ## Why it stops training
    A division of whole numbers, a cast, a column that was copied over the others or an
    offset that drowns the rest leave a network nothing to tell samples apart by: the
    best it can do is a constant. Columns that never change and are large shorten the
    longest stable step, and say nothing.

    ## How it is measured
    Four things, each with the harm done. The variance of the input between samples over
    its mean square: exactly 0, or as small as an offset makes it. The variance between
    the features of one sample, exactly 0 where all columns are the same. And features
    that never change and yet make up nearly all of the input's mean square. A column of
    zeros, of padding or of words that do not occur costs nothing and is no finding.

    ## Sick
    ```python
    x = torch.trunc(x / 100) + 1
    ```

    ## Healthy
    ```python
    x = torch.trunc(x / 1) + 1
    ```

    ## Blind spots
    Only the first tensor argument of the model is seen. Inputs that are nearly, but not
    quite, all the same after a cast.

    ## Options
    - `offset`: Mean over standard deviation, of the median feature. The first layer's
      condition number is its square: at 30 what differs between samples is learnt a
      thousand times as slowly as the bias, as in DAT102.
    - `drowned`: The same for inputs so large that their scale alone would explain the
      harm, which is DAT101: at 1,000 single precision keeps four digits of what is
      left.
    - `large`: Root mean square from which on inputs count as large.
    - `still`: Relative standard deviation below which a feature never changes.
    - `share`: Share of the input's mean square that such features make up.
    - `skill`: What counts as having learnt nothing.
    - `little`: What counts as having learnt little, where an offset is in the way.
    - `min_samples`: Samples that must have been seen.
    - `min_steps`: How many steps a network is given to learn something.

    ## References
    - [LeCun1998] Efficient BackProp, on centering the inputs.
    """

    offset: float = 30.0
    drowned: float = 1000.0
    large: float = 10.0
    still: float = 1e-6
    share: float = 0.9
    skill: float = 0.02
    little: float = 0.3
    min_samples: int = 32
    min_steps: int = 40

    code = "DAT401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, INPUT_MEAN, INPUT_SQUARE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the inputs have nothing to say, and it shows."""
        part = sound(trace)
        seen = features(part)
        size = max(1, part.setup.batch_size)
        samples = len(part.series(INPUT_VARIATION).values) * size
        if size == 1:
            samples = len(part.units(INPUT_MEAN, "").steps)
        if samples < self.min_samples:
            raise Blind(f"{samples} samples were seen, {self.min_samples} needed")
        learnt = skill(part)
        is_late = part.last_step + 1 >= self.min_steps
        is_none = is_late and learnt.is_exact and learnt.is_none(self.skill)
        is_little = is_late and learnt.is_exact and learnt.value < self.little
        told = f"skill after {part.last_step + 1} steps {learnt.value:.3f}"
        if self._is_one(part, seen):
            if is_none:
                yield self._found(
                    part,
                    f"all {samples:,} samples seen are the same input, with a mean of "
                    f"{seen.mean.mean():.3g} (variance between samples 0); {told}",
                    (INPUT_VARIATION.name, 0.0, 0.0, "variance between samples"),
                )
            return
        across = _finite(part.series(INPUT_ACROSS).values)
        wide = seen.rms.size > 2 and across.size and across.max() <= self.still**2
        if wide and is_little:
            yield self._found(
                part,
                f"all {seen.rms.size} features of a sample are the same number "
                f"(variance between them {across.max():.0e}, limit "
                f"{self.still**2:.0e}); {told}",
                (INPUT_ACROSS.name, float(across.max()), self.still**2, "columns"),
                is_sure=is_none,
            )
            return
        yield from self._drowned(part, seen, is_little, told)

    def _drowned(
        self, trace: Trace, seen: Features, is_little: bool, told: str
    ) -> Iterator[Finding]:
        """Findings about an offset, or fixed columns, beside what does vary."""
        level = np.abs(seen.mean)
        still = (seen.std <= self.still * level) & (level > 0)
        rest = seen.rms[~still & (seen.rms > 0)]
        found = trouble(trace, level=self.skill, min_steps=self.min_steps)
        if rest.size and not still.any():
            ratio = float(np.median(_over(level, seen.std)[seen.rms > 0]))
            limit = self.drowned if seen.overall >= self.large else self.offset
            if ratio >= limit and (found or is_little):
                yield self._found(
                    trace,
                    f"the inputs lie {ratio:.3g} standard deviations from 0 (median "
                    f"feature, limit {limit:g}), at {np.median(level):.4g}: "
                    f"{1 / ratio**2:.0e} of their mean square differs between samples; "
                    f"{found.text if found else told}",
                    (INPUT_MEAN.name, ratio, limit, "mean over standard deviation"),
                    is_sure=found is not None,
                )
            return
        if not rest.size or not found:
            return
        part = float((seen.rms[still] ** 2).sum() / (seen.rms**2).sum())
        without = float(np.sqrt((rest**2).mean()))
        if part >= self.share and seen.rms[still].max() >= self.large > without:
            yield self._found(
                trace,
                f"{still.sum()} of {still.size} input features never change and make "
                f"up {part:.1%} of the input's mean square (limit {self.share:.0%}), "
                f"the largest at {seen.rms[still].max():.4g}; without them its root "
                f"mean square is {without:.3g}; {found.text}",
                (INPUT_SQUARE.name, part, self.share, "share of constant features"),
            )

    def _is_one(self, trace: Trace, seen: Features) -> bool:
        """Whether every sample was the same input, within batches and between them."""
        within = _finite(trace.series(INPUT_VARIATION).values)
        # what float32 rounding leaves of a constant stays far below this
        is_flat = not within.size or within.max() <= 1e-14
        return bool(is_flat and (seen.std <= 1e-7 * np.abs(seen.mean)).all())

    def _found(
        self,
        trace: Trace,
        message: str,
        number: tuple[str, float, float, str],
        *,
        is_sure: bool = True,
    ) -> Finding:
        quantity, value, limit, note = number
        evidence = Evidence(
            quantity=quantity,
            site="",
            step=trace.last_step,
            value=value,
            limit=limit,
            note=note,
        )
        return self.finding(
            message,
            evidence=(evidence,),
            since_step=0,
            confidence=Confidence.HIGH if is_sure else Confidence.MEDIUM,
        )


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def _over(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / b, np.where(a > 0, np.inf, 0.0))
