"""Whether the network can learn a few samples by heart."""

import itertools
import math
import time
from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from reluctant.lab._recipe import Training
from reluctant.lab.exams._batch import (
    chosen,
    joined,
    length,
    tensors,
    without_dropout,
)
from reluctant.lab.exams._span import Span, span_of
from reluctant.probes._update import Unmeasurable

# where the training's own optimizer does not do: Adam for most, and a quasi-Newton
# method with a line search, which does not care for the scale of the targets
_OTHERS = ("Adam 0.003", "L-BFGS", "Adam 0.03", "Adam 0.0003")
_INNER = 10  # iterations that count as one step of the latter
_LEARNT = 0.9  # skill at which an attempt may end
_ENOUGH = 0.5  # skill at which nothing more has to be tried
_MOST_BATCHES = 4  # that are looked through for targets that differ
_PARTS_PER_TARGET = 5


class OneBatchOverfit(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the best constant's loss went when few samples were all there was.

    Attributes:
        skill: How far the lowest loss came on its way from that of the best constant
            output, 0, to the lowest that any outputs could have on these samples, 1.
        own: The same with the training's own optimizer, as far as it was run.
        attempts: Optimizer, steps, skill of each, such as `("Adam 0.03", 150, 0.4)`.
        constant: The best constant's loss.
        floor: The lowest loss of any outputs.
        samples: How many had to be learnt.
        freedom: Entries of trained parameters for each entry of the targets.
        without_dropout: Skill of Adam with dropout off; nan where that was not tried.
        is_done: Whether every attempt ran to its end, or one of them succeeded.
    """

    skill: float
    own: float
    attempts: tuple[tuple[str, int, float], ...]
    constant: float
    floor: float
    samples: int
    freedom: float
    without_dropout: float
    is_done: bool

    @property
    def steps(self) -> int:
        """Steps of all attempts."""
        return sum(steps for _, steps, _ in self.attempts)


def one_batch_overfit(
    training: Training,
    *,
    seconds: float = math.inf,
    samples: int = 32,
    own_steps: int = 60,
    steps: int = 150,
) -> OneBatchOverfit:
    """Train on few samples of the first batch alone, until they are learnt.

    First with the training's own optimizer; where that does not get half of the way to
    the lowest loss, with Adam at three learning rates and L-BFGS, so that a rate that
    is merely small is not taken for a network that cannot learn; and where that does
    not do with dropout off, to tell whether that is why. Works on forks.

    The yardstick are the best constant output for these very samples and the best
    outputs of all, found by minimizing the loss over them. So few samples are taken
    that the network has five trained parameters for each target, where that leaves two.

    Args:
        training: Anything that can be forked.
        seconds: After which no further step is taken.
        samples: At most so many.
        own_steps: Of the training's own optimizer.
        steps: Of each other attempt.

    Raises:
        UsageError: If the training cannot be forked, or has no batch.
        Unmeasurable: If no optimizer moves anything, the targets do not differ, or no
            constant can be given to the loss.
    """
    until = time.perf_counter() + seconds
    start = training.fork()
    owned = _owned(start)
    if not owned:
        raise Unmeasurable("no parameter of the model is trained")
    freedom = sum(p.numel() for p in owned)
    with start.own_randomness(), sdpa_kernel(SDPBackend.MATH):
        batch = _few(start, samples, freedom)
        span = span_of(start, batch)
    entries = _entries(batch)
    start = training.fork()  # the look above has moved buffers
    start.batches, start.steps = [batch], 0
    attempts: list[tuple[str, int, float]] = []
    is_done = True
    for name in ("its own optimizer", *_OTHERS):
        most = own_steps if name not in _OTHERS else steps
        taken, lowest = _attempt(start, name, most, span, until)
        attempts.append((name, taken, span.skill(lowest)))
        if attempts[-1][2] >= _ENOUGH:
            break
        if taken < most and time.perf_counter() > until:
            is_done = False
            break
    dry = math.nan
    if is_done and max(skill for _, _, skill in attempts) < _ENOUGH:
        dry_start = start.fork()
        if without_dropout(dry_start.model):
            _, lowest = _attempt(dry_start, _OTHERS[0], steps, span, until)
            dry = span.skill(lowest)
    return OneBatchOverfit(
        skill=max(skill for _, _, skill in attempts),
        own=attempts[0][2],
        attempts=tuple(attempts),
        constant=span.constant,
        floor=span.floor,
        samples=length(*batch),
        freedom=freedom / max(1, entries),
        without_dropout=dry,
        is_done=is_done,
    )


def _attempt(
    start: Training, name: str, most: int, span: Span, until: float
) -> tuple[int, float]:
    """Steps taken, and the lowest loss; inf if none was finite."""
    copy = start.fork()
    kind, _, rate = name.partition(" ")
    if kind == "Adam":
        copy.optimizer = torch.optim.Adam(_owned(copy), lr=float(rate))
    elif kind == "L-BFGS":
        most = max(1, most // _INNER)
        copy.optimizer = torch.optim.LBFGS(
            _owned(copy), max_iter=_INNER, line_search_fn="strong_wolfe"
        )
    lowest = math.inf
    while copy.steps < most:
        (loss,) = copy.step()
        if not math.isfinite(loss):
            break
        lowest = min(lowest, loss)
        if span.skill(lowest) >= _LEARNT or time.perf_counter() > until:
            break
    return copy.steps, lowest


def _owned(training: Training) -> list[Tensor]:
    ours = {id(p) for p in training.model.parameters() if p.requires_grad}
    groups = training.optimizer.param_groups
    return [p for group in groups for p in group["params"] if id(p) in ours]


def _few(copy: Training, samples: int, freedom: int) -> tuple[Any, Any]:
    """Samples whose targets differ, few enough to be learnt by heart."""
    whole = batch = copy.next_batch()
    # few samples may lie on the dead side of a rectified output by chance: take as many
    # as were asked for, out of several batches of the epoch where these are small
    most = max(_MOST_BATCHES, math.ceil(samples / max(1, length(*batch))))
    for more in itertools.islice(copy.rest_of_epoch(), most - 1):
        if length(*batch) >= samples and _differ(batch):
            break
        try:
            batch = joined(batch, more)
        except (RuntimeError, StopIteration):  # of different shapes
            break
    n = length(*batch)
    order = _varied(batch, n)
    few = min(samples, n)
    while few > 2 and _PARTS_PER_TARGET * _entries(batch) * few / n > freedom:
        few //= 2
    cut: tuple[Any, Any] = chosen(batch, order[:few])
    with torch.no_grad():
        try:
            copy.loss(cut)
        except (RuntimeError, ValueError, IndexError):  # samples are on another axis
            return whole
    return cut


def _entries(batch: tuple[Any, Any]) -> int:
    found = tensors(batch[1])
    return sum(t.numel() for t in found) if found else length(*batch)


def _differ(batch: tuple[Any, Any]) -> bool:
    found = [t for t in tensors(batch[1]) if t.ndim and len(t) > 1]
    return not found or any(bool((t != t[:1]).any()) for t in found)


def _varied(batch: tuple[Any, Any], n: int) -> Tensor:
    """Positions in an order that begins with as many different targets as there are."""
    for target in tensors(batch[1])[:1]:
        if not target.ndim or len(target) != n:
            continue
        if target.is_floating_point():  # from both ends of the targets in turn
            level = target.detach().reshape(n, -1).double().mean(1).cpu()
            rising = level.argsort(stable=True).tolist()
            return torch.tensor(
                [rising.pop(0 if i % 2 else -1) for i in range(len(rising))]
            )
        if target.ndim == 1:
            seen: dict[int, int] = {}
            turn = []
            for value in target.tolist():
                seen[value] = seen.get(value, -1) + 1
                turn.append(seen[value])
            return torch.tensor(sorted(range(n), key=turn.__getitem__))
    return torch.arange(n)
