"""The exams of a check in their order: what each writes into the trace, and says.

Longer than most files: one list of short functions, in the order in which they run.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from reluctant.lab._recipe import Training
from reluctant.lab.exams._batch import length, tensors, without_dropout
from reluctant.lab.exams.batch_leak import batch_leak
from reluctant.lab.exams.data_pass import data_pass
from reluctant.lab.exams.loss_replication import loss_replication
from reluctant.lab.exams.one_batch_overfit import one_batch_overfit
from reluctant.lab.exams.rehearsal import rehearsal
from reluctant.lab.exams.top_eigenvalue import TopEigenvalue, top_eigenvalue
from reluctant.lab.exams.unit_census import unit_census
from reluctant.probes._update import Unmeasurable
from reluctant.records import Note, Quantity, Setup, Trace, Value
from reluctant.records.quantities import (
    CENSUS_FIRED,
    CENSUS_MAX,
    CENSUS_SAMPLES,
    CENSUS_WHOLE,
    DATA_BATCHES,
    LOSS,
    LOSS_REPLICATION,
    OUTPUT_SIMPLEX,
    OVERFIT_DRY,
    OVERFIT_FREEDOM,
    OVERFIT_OWN,
    OVERFIT_SAMPLES,
    OVERFIT_SKILL,
    OVERFIT_STEPS,
    PRECONDITIONED_EIGENVALUE,
    SAMPLE_LEAK,
    STEP_CURVATURE,
    STEP_GAIN,
    STEP_LIMIT,
    TOP_EIGENVALUE,
)

_STEPS = 120  # of the rehearsal: what the slowest rule needs, three times over
_SAMPLES = 64  # that the Hessian's loss is averaged over, at least
_MOST_BATCHES = 8
_MOST_PRODUCTS = 60
_PASSES_A_PRODUCT = 2.0  # a product costs about as much as so many gradients


@dataclass
class Patient:
    """A copy of the training, and how much time there is for it.

    Attributes:
        training: Exams fork it.
        obstacle: Why there is nothing but the data to examine; `""` if there is more.
        until: `time.perf_counter()` at which the budget is spent.
        budget: Seconds in all.
        census: Whether the units are counted over all of the data.
        name: What the user calls the model.
        step_s: Seconds that a forward and a backward pass took; 0 if not known yet.
        samples: In the first batch; 0 if not known yet.
        eigenvector: Of the largest eigenvalue at the start.
        after: The training as the rehearsal left it.
    """

    training: Training
    obstacle: str = ""
    until: float = math.inf
    budget: float = math.inf
    census: bool = False
    name: str | None = None
    step_s: float = 0.0
    samples: int = 0
    eigenvector: Tensor | None = None
    after: Training | None = None

    def left(self, share: float) -> float:
        """Seconds that one exam may take: a share of the budget, if still there."""
        return max(0.0, min(self.until - time.perf_counter(), share * self.budget))


@dataclass
class Findings:
    """What the exams have brought to light.

    Attributes:
        setup: What is trained, as far as it is known without running it.
        before: Readings at the weights as they are.
        rehearsed: The first steps; None if there were none.
        after: Readings behind those.
        notes: One for each exam.
    """

    setup: Setup
    before: list[tuple[Quantity, str, Value]] = field(default_factory=list)
    rehearsed: Trace | None = None
    after: list[tuple[Quantity, str, Value]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def _data(patient: Patient, found: Findings) -> str:
    seen = data_pass(patient.training, seconds=patient.left(0.15))
    found.before.append((DATA_BATCHES, "", float(seen.batches)))
    rest = "" if seen.is_whole else " or more"
    text = f"{seen.batches:,} batches, {seen.samples:,} samples{rest}; first inputs "
    text += f"{seen.inputs}, targets {seen.targets}"
    if math.isfinite(seen.low):
        text += f"; inputs from {seen.low:.3g} to {seen.high:.3g}"
    if 1 < len(seen.classes) <= 1000:
        least, most = min(seen.classes.values()), max(seen.classes.values())
        shares = f"{least / sum(seen.classes.values()):.1%} to "
        shares += f"{most / sum(seen.classes.values()):.1%}"
        text += f"; {len(seen.classes)} target values, {shares} each"
    bad = f"{seen.nonfinite:,} entries" if seen.nonfinite else "none"
    return f"{text}; nan or infinite: {bad}"


def _loss(patient: Patient, found: Findings) -> str:
    copy = patient.training.fork()
    without_dropout(copy.model)
    with copy.own_randomness():
        batch = copy.next_batch()
        shares = _are_shares(copy.outputs(batch[0]))
        for _ in range(2):  # whatever runs first takes longer
            start = time.perf_counter()
            loss = copy.loss(batch)
            if loss.requires_grad:
                loss.backward()
            patient.step_s = time.perf_counter() - start
    patient.samples = length(*batch)
    found.before.append((OUTPUT_SIMPLEX, "", float(shares)))
    text = f"the first batch has loss {float(loss.detach()):.4g}"
    text += " on outputs that are shares of 1" if shares else ""
    try:
        ratio = loss_replication(patient.training)
    except Unmeasurable as reason:
        return f"{text}; whether it is a sum is unknown: {reason}"
    found.before.append((LOSS_REPLICATION, "", ratio))
    kind = {1: "a mean over samples", 2: "a sum over samples"}
    nearest = round(ratio)
    exact = nearest in kind and abs(ratio - nearest) < 1e-3
    name = kind[nearest] if exact else "neither a mean nor a sum over samples"
    return f"{text}; twice over it has {ratio:.4g} times that: {name}"


def _are_shares(outputs: Any) -> bool:
    """Whether what the model puts out are probabilities, by their numbers."""
    found = [t for t in tensors(outputs) if t.is_floating_point() and t.ndim > 1]
    if not found:
        return False
    first = found[0].detach()
    axes = {1, first.ndim - 1}  # classes second, or behind the positions
    return bool((first >= 0).all()) and any(
        first.shape[a] > 1 and bool(((first.sum(a) - 1).abs() < 1e-4).all())
        for a in axes
    )


def _samples(patient: Patient, found: Findings) -> str:
    seen = batch_leak(patient.training)
    found.before.append((SAMPLE_LEAK, seen.site, seen.value))
    text = f"of {seen.samples} samples, in evaluation mode"
    if seen.value:
        where = f" at {seen.site} ({seen.operation})" if seen.site else ""
        return f"{text}, {seen.value:.1%} of a gradient falls on others{where}"
    norms = f"; {seen.batch_norms} batch norms couple them in training, as they should"
    return f"{text}, each output depends on its own input alone" + (
        norms if seen.batch_norms else ""
    )


def _units(patient: Patient, found: Findings) -> str:
    seconds = math.inf if patient.census else patient.left(0.15)
    seen = unit_census(patient.training, seconds=seconds)
    found.before += [
        (CENSUS_SAMPLES, "", float(seen.samples)),
        (CENSUS_WHOLE, "", float(seen.is_whole)),
    ]
    for site, fired in seen.fired.items():
        share = fired / max(1, seen.rows[site])
        found.before += [
            (CENSUS_FIRED, site, share.astype(np.float32)),
            (CENSUS_MAX, site, seen.highest[site].astype(np.float32)),
        ]
    units = sum(len(n) for n in seen.fired.values())
    if not units:
        return "no rectified units"
    silent = sum(len(n) for n in seen.silent.values())
    part = "all" if seen.is_whole else "the first"
    text = f"{silent} of {units:,} rectified units fire on none of {part} "
    text += f"{seen.samples:,} samples"
    worst = sorted(seen.silent.items(), key=lambda item: -len(item[1]))[:3]
    places = [f"{len(n)} of {len(seen.fired[site])} in {site}" for site, n in worst]
    return f"{text}: {', '.join(places)}" if places else text


def _curvature(patient: Patient, found: Findings) -> str:
    samples = max(1, patient.samples)
    batches = min(_MOST_BATCHES, math.ceil(_SAMPLES / samples))
    each = _PASSES_A_PRODUCT * batches * max(patient.step_s, 1e-4)
    most = min(_MOST_PRODUCTS, int(patient.left(0.15) / each))
    if most < 6:
        raise Unmeasurable(
            f"{most} Hessian-vector products fit into the time left, 6 needed"
        )
    seen = top_eigenvalue(patient.training, batches=batches, most=most)
    patient.eigenvector = seen.vector
    _write_curvature(seen, found.before)
    return _tell_curvature(seen)


def _write_curvature(
    seen: TopEigenvalue, rows: list[tuple[Quantity, str, Value]]
) -> None:
    rows.append((TOP_EIGENVALUE, "", seen.value))
    if math.isfinite(seen.limit):
        rows.append((STEP_LIMIT, "", seen.limit))
    if math.isfinite(seen.preconditioned):
        rows.append((PRECONDITIONED_EIGENVALUE, "", seen.preconditioned))


def _tell_curvature(seen: TopEigenvalue) -> str:
    sure = "" if seen.is_converged else f" ± {seen.error:.2g}, not converged"
    text = f"λmax {seen.value:.3g}{sure} in {seen.products} Hessian-vector products"
    if not math.isfinite(seen.limit):
        return text
    at = f"; a quadratic diverges from learning rate {seen.limit:.3g} on ({seen.rule})"
    return f"{text}{at}, the rate is {seen.learning_rate:.3g}"


def _first_steps(patient: Patient, found: Findings) -> str:
    seen = rehearsal(
        patient.training, steps=_STEPS, seconds=patient.left(0.4), name=patient.name
    )
    if not seen.steps:
        raise Unmeasurable(seen.stopped or "there was no time for a step")
    found.rehearsed, patient.after = seen.trace, seen.training
    losses = seen.trace.series(LOSS).values
    text = f"{seen.steps} steps"
    if len(losses) > 1:
        few = max(1, len(losses) // 10)
        first, last = np.median(losses[:few]), np.median(losses[-few:])
        text += f", loss {first:.4g} to {last:.4g}"
    gain = seen.trace.series(STEP_GAIN).values
    curvature = seen.trace.series(STEP_CURVATURE).values
    if len(gain) and gain.mean() > 0:
        text += f"; step gauge {curvature.mean() / gain.mean():.2g} (edge 2)"
    if seen.stopped:
        text += f"; broken off by {seen.stopped}"
    return text


def _later_curvature(patient: Patient, found: Findings) -> str:
    if patient.after is None:
        raise Unmeasurable("no step was taken")
    each = _PASSES_A_PRODUCT * max(patient.step_s, 1e-4)
    most = min(_MOST_PRODUCTS, int(patient.left(0.15) / each))
    if most < 6:
        raise Unmeasurable(
            f"{most} Hessian-vector products fit into the time left, 6 needed"
        )
    samples = max(1, patient.samples)
    batches = min(_MOST_BATCHES, math.ceil(_SAMPLES / samples), max(1, most // 10))
    seen = top_eigenvalue(
        patient.after, batches=batches, most=most, start=patient.eigenvector
    )
    _write_curvature(seen, found.after)
    return f"after {patient.after.steps} steps {_tell_curvature(seen)}"


def _overfit(patient: Patient, found: Findings) -> str:
    seen = one_batch_overfit(patient.training, seconds=patient.left(1.0))
    tried = "; ".join(
        f"{name}: {skill:.0%} in {steps} steps" for name, steps, skill in seen.attempts
    )
    text = f"on {seen.samples} samples alone, of the way from the best constant's loss "
    text += f"{seen.constant:.3g} to {seen.floor:.2g}: {tried}"
    if math.isfinite(seen.without_dropout):
        text += f"; with dropout off {seen.without_dropout:.0%}"
        found.after.append((OVERFIT_DRY, "", seen.without_dropout))
    if not seen.is_done:
        return f"{text}; out of time"
    found.after += [
        (OVERFIT_SKILL, "", seen.skill),
        (OVERFIT_OWN, "", seen.own),
        (OVERFIT_STEPS, "", float(seen.steps)),
        (OVERFIT_SAMPLES, "", float(seen.samples)),
        (OVERFIT_FREEDOM, "", seen.freedom),
    ]
    return text


def _loop(patient: Patient, found: Findings) -> str:
    raise Unmeasurable(
        "the loop was the check's own; whether yours zeroes gradients, steps and "
        "switches modes, `reluctant run` and `reluctant.watch` tell"
    )


EXAMS: Mapping[str, Callable[[Patient, Findings], Any]] = {
    "data": _data,
    "loss": _loss,
    "units": _units,
    "samples": _samples,
    "curvature": _curvature,
    "first steps": _first_steps,
    "later curvature": _later_curvature,
    "overfit": _overfit,
    "loop": _loop,
}
