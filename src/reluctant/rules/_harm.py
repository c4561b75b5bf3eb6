"""What a step that was too long does to a network: the harm that makes it a problem."""

from typing import NamedTuple

import numpy as np

from reluctant.records import Trace
from reluctant.rules._broken_gradient import broken_gradient
from reluctant.rules._constant import skill, targets
from reluctant.rules._loss import course, late_step, sound
from reluctant.rules._notes import fed_nonfinite
from reluctant.rules._outputs import middle, spread
from reluctant.rules._rise import rise
from reluctant.rules._silence import heads, hidden, silent


class Harm(NamedTuple):
    """One kind of harm.

    Attributes:
        step: When it set in.
        text: A clause.
        until: Last step that may have brought it about.
    """

    step: int
    text: str
    until: int


def _layers_lost(trace: Trace, share: float) -> list[Harm]:
    """Hidden layers of which so many units were alive and died."""
    found = []
    for layer in hidden(trace):
        s = silent(trace, layer)
        if s is None or not s.varies:
            continue
        died = s.ever & s.dead(min_samples=1000, born=np.inf, expected=20, times=3)
        if died.mean() >= share:
            at = int(np.median(s.since[died]))
            text = f"{died.sum()} of {died.size} units of {layer.site} fall silent"
            found.append(Harm(at, f"{text}, half of them by step {at}", at))
    return found


def harms(trace: Trace, *, level: float) -> list[Harm]:
    """All harm that the run came to, earliest first.

    Args:
        trace: The run.
        level: Skill below which the network counts as not having learnt.
    """
    found = []
    run, part = course(trace), sound(trace)
    innocent = fed_nonfinite(trace) or broken_gradient(trace) is not None
    if run.broke >= 0 and not innocent:
        up = rise(trace, factor=2.0, min_steps=10)
        at = up.step if up else run.broke
        found.append(
            Harm(at, f"the loss is no number from step {run.broke} on", run.broke)
        )
    elif run.broke < 0 and (up := rise(trace, factor=2.0, min_steps=10)):
        text = f"the loss rises from {run.start:.3g} to {up.late:.3g}"
        found.append(Harm(up.step, f"{text} since step {up.step}", up.peak_step))
    for layer in heads(part):
        s = silent(part, layer)
        if s is None:
            continue
        died = s.ever & s.dead(min_samples=500, born=np.inf, expected=20, times=3)
        if died.any():
            at, last = int(s.since[died].min()), int(s.since[died].max())
            text = f"{died.sum()} of {died.size} outputs of {layer.site} fall silent"
            found.append(Harm(at, f"{text} from step {at} on", last))
    learnt = skill(part)
    if learnt.is_exact:
        found += _layers_lost(part, share=0.5)
    if not (learnt.is_exact and learnt.is_none(level)) or part.last_step < 20:
        return sorted(found)
    for layer in hidden(part):
        s = silent(part, layer)
        if s is not None and s.ever.any() and s.samples.min() >= 300:
            at = int(s.since.max())
            text = f"all units of {layer.site} are silent from step {at} on"
            found.append(Harm(at, text, at))
    want = targets(part, late_step(part, 0.5)).variance
    outputs = spread(part)
    apart = outputs.values > 1e-3 * want
    late = middle(spread(part, late_step(part)).values)
    if len(outputs.steps) > 1 and apart.any() and late <= 1e-3 * want:
        at = int(outputs.steps[np.flatnonzero(apart)[-1]]) + 1
        text = "the outputs fall back to the same constant for every input"
        found.append(Harm(at, f"{text} from step {at} on", at))
    elif late > 1e-3 * want and learnt.value < -level:
        text = (
            f"after {part.last_step + 1} steps the loss {run.late:.3g} is above the "
            f"best constant's {learnt.constant:.3g}"
        )
        found.append(Harm(0, text, part.last_step))
    return sorted(found)
