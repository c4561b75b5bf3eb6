"""Trainings below the limit of the learning rate, with their gauge measured."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab._step_size_gauge import EDGE, Terms
from reluctant.lab.exams.top_eigenvalue import top_eigenvalue
from reluctant.probes._update import Unmeasurable
from reluctant.probes.step_gauge import step_terms

CONVERGED = 0.01  # of the largest gain: below, little but flat directions is left
FLATTER = 10.0  # times the limit at the start: the Hessian has died
BLOCKS = 20  # of a probe, whose gain is averaged to see that
SAMPLES = 512  # the Hessian is averaged over, where batches are small
UNKNOWN = 16  # batches, where their size is not known

Probe = Callable[[float], Terms]


def can_be_fused(training: Training) -> bool:
    """Whether compiled code can do the same training, and is there."""
    try:
        from reluctant.lab._map_fused import unsupported
    except ImportError:
        return False
    return unsupported(training) is None


def in_torch(recipe: Recipe, seed: int, steps: int, measured: int) -> Probe:
    """A probe that trains step by step."""

    def probe(rate: float) -> Terms:
        training = at_rate(build(recipe, seed), rate)
        rows: list[tuple[float, float]] = []

        def look(loss: Tensor) -> None:
            terms = step_terms(
                loss,
                training.model.parameters(),
                training.optimizer,
                buffers=training.model.buffers(),
            )
            rows.append((terms.gain, terms.curvature))

        each = max(1, steps // 2 // measured)
        for _ in range(max(2, steps // each)):
            training.step(1, look=look)
            training.step(each - 1)
        terms = np.array(rows).reshape(-1, 2)
        return settled(terms, training, build(recipe, seed), rate)

    return probe


def fused(recipe: Recipe, seed: int, steps: int, measured: int) -> Probe:
    """A probe that the fused engine trains; of a training that it can have."""
    from reluctant.lab._map_fused import FusedEngine

    engine = FusedEngine(recipe, steps={}, workers=1, seed=seed)
    return engine.probe((), steps, measured)


def settled(terms: Terms, training: Training, fresh: Training, rate: float) -> Terms:
    """The steps of a probe that tell of the limit: the second half, as a rule.

    A training without noise converges on the way. Its gradient dies first where
    curvature is largest, so what is left of it points where the ground is flat, and
    ends as rounding noise. Then the Hessian's top eigenvector tells, along which the
    gauge is 2 at the limit of the optimizer. Where the Hessian has died with the
    gradient, as that of cross-entropy does, the second half of the steps before
    convergence tells.

    Args:
        terms: Of steps all along the probe, shape `(n, 2)`.
        training: As it ended.
        fresh: As it began.
        rate: Of its first group.

    Raises:
        Unmeasurable: If there is noise, and the optimizer is not plain descent: its
            gauge is not 2 at the limit, but 0.5 to 0.7 as far as it was measured.
    """
    late = terms[len(terms) // 2 :]
    if len(terms) < 2 or not np.isfinite(terms).all():
        return late if np.isfinite(late).all() else np.zeros((0, 2))
    blocks = np.array_split(np.arange(len(terms)), min(BLOCKS, len(terms)))
    gains = np.array([terms[rows, 0].mean() for rows in blocks])
    alive = np.flatnonzero(gains >= CONVERGED * gains.max())
    if alive[-1] == len(blocks) - 1:
        if _carries_past(training.optimizer):
            raise Unmeasurable(
                "the gauge of a noisy training tells no limit of an optimizer whose "
                "step carries the past: use method='probe'"
            )
        return late
    end = int(blocks[alive[-1]][-1]) + 1
    first, last = (
        top_eigenvalue(t, batches=_batches(t)).limit for t in (fresh, training)
    )
    if 0 < last < FLATTER * first:
        return np.array([[1.0, EDGE * rate / last]])
    before: Terms = terms[end // 2 : end]
    return before


def at_rate(training: Training, rate: float) -> Training:
    """The training, all its learning rates scaled so that the first is this."""
    groups = training.optimizer.param_groups
    start = float(groups[0]["lr"])
    for group in groups:
        group["lr"] = group["lr"] * (rate / start)
    return training


def _carries_past(optimizer: Optimizer) -> bool:
    is_sgd = isinstance(optimizer, torch.optim.SGD)
    return not is_sgd or any(group["momentum"] for group in optimizer.param_groups)


def _batches(training: Training) -> int:
    """How many make up the data, or enough of it."""
    try:
        length = len(training.batches)  # type: ignore[arg-type]
        with training.own_randomness():
            size = len(training.fork().next_batch()[1])
    except TypeError:
        return UNKNOWN
    return max(1, min(length, -(-SAMPLES // size)))
