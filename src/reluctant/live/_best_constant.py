"""What a constant would lose under an absolute error, or one that is nearly so.

The best constant of a squared error follows from two moments of the targets, which can
be added up batch by batch. That of an absolute error is a median, which cannot: so some
of the targets that were seen are kept.
"""

import torch
from torch import Tensor

from reluctant.live._loss_graph import LossReading, loss_of, straight_loss
from reluctant.live._recorder import Recorder
from reluctant.probes._base import widest
from reluctant.records.quantities import CONSTANT_ERROR, CONSTANT_LOSS

_KINDS = ("l1", "huber")
_MOST_ENTRIES, _MOST_AT_ONCE = 2**17, 2**15  # numbers that are kept; of one batch
_MOST_SAMPLES, _MOST_PLACES = 512, 16  # of one batch; of one sample, beside its outputs
_FEWEST = 8  # samples that a constant is fitted to
_ENOUGH = 200  # samples of the second half of the run, which then stand alone
_HALVINGS = 16  # the loss is off by the square of what is left of the interval
_STEADY = 0.02  # change of a factor that is put down to rounding


class ConstantLook:
    """Keeps targets, and fits the best constant of each output to them."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: list[tuple[int, Tensor]] = []
        self._factor = 0.0
        self._looks = 0
        self._is_lost = False

    def look(self, loss: Tensor, found: LossReading) -> None:
        """Take in the targets of one batch, and record what a constant would lose.

        Args:
            loss: As the script has it, which may be some multiple of what was found.
            found: What it is made of.
        """
        targets = found.targets
        if found.kind not in _KINDS or targets is None or self._is_lost:
            return
        if found.is_broadcast or not targets.is_floating_point() or not targets.numel():
            return
        with torch.no_grad():
            factor = self._factor_of(loss, found)
            if factor is None:
                return
            some = _some(targets.detach(), self._looks)
            self._looks += 1
            if some is None or not bool(some.isfinite().all()):
                return
            pool = self._pooled(some)
            if len(pool) < _FEWEST:
                return
            level, error = best_constant(pool, found.bend)
        unit = float(targets.numel()) if found.reduction == "sum" else 1.0
        self._recorder.add(CONSTANT_LOSS, "", level * (found.slope * factor * unit))
        self._recorder.add(CONSTANT_ERROR, "", error)

    def _factor_of(self, loss: Tensor, found: LossReading) -> float | None:
        """What the script multiplies the known term by; None if it cannot be told.

        Beside other terms it is taken as 1: how far they matter is measured elsewhere.
        """
        own = loss_of(found)
        if own is None:
            return None
        if found.is_sum:
            return 1.0
        before, now = float(own), float(loss.detach())
        if not before > 0:
            return None
        factor = now / before
        if not self._factor:
            self._factor = factor
        if not abs(factor / self._factor - 1) < _STEADY:  # weights of its own
            self._is_lost, self._kept = True, []
            self._recorder.add(CONSTANT_LOSS, "", float("nan"))
            return None
        return self._factor

    def _pooled(self, some: Tensor) -> Tensor:
        """The targets of the second half of the run so far, if they are enough."""
        if self._kept and self._kept[0][1].shape[1:] != some.shape[1:]:
            self._kept = []
        step = self._recorder.now.step
        self._kept.append((step, some))
        while sum(t.numel() for _, t in self._kept) > _MOST_ENTRIES:
            del self._kept[0]
        late = [t for at, t in self._kept if 2 * at >= step]
        enough = sum(len(t) for t in late) >= _ENOUGH
        return torch.cat(late if enough else [t for _, t in self._kept])


def best_constant(targets: Tensor, bend: float) -> tuple[Tensor, Tensor]:
    """The loss of the best constant of each output, and its relative standard error.

    Fitted to n samples, a constant loses too little on these by some c/n, and on others
    too much by as much. So the loss on all of them, and that of each half of them on
    the other half, which is too much by 2c/n, say together what it is.

    Args:
        targets: Shape `(samples, places, outputs)`.
        bend: Error at which the loss turns from a square to a straight line.
    """
    own = _loss(targets, _fitted(targets, bend), bend)
    halves = targets[0::2], targets[1::2]
    other = [_loss(a, _fitted(b, bend), bend).mean() for a, b in (halves, halves[::-1])]
    level = (2 * own.mean() + sum(other) / 2) / 3
    each = own.mean((1, 2))
    return level, each.std() / (len(each) ** 0.5 * level)


def _loss(targets: Tensor, constant: Tensor, bend: float) -> Tensor:
    return straight_loss(targets - constant, bend)


def _fitted(targets: Tensor, bend: float) -> Tensor:
    """The best constant of each output: a median, or within `bend` of it."""
    rows = targets.reshape(-1, targets.shape[-1])
    constant = rows.median(0).values
    if bend > 0:
        low, high = constant - bend, constant + bend
        for _ in range(_HALVINGS):
            constant = (low + high) / 2
            too_high = ((constant - rows) / bend).clamp(-1, 1).sum(0) > 0
            low = torch.where(too_high, low, constant)
            high = torch.where(too_high, constant, high)
    return constant


def _some(targets: Tensor, turn: int) -> Tensor | None:
    """A copy of some of the targets, shape `(samples, places, outputs)`.

    Others in the next turn, for the batch may be all of the data.
    """
    if targets.ndim < 2:
        targets = targets.reshape(-1, 1)
    size, width = targets.shape[0], targets.shape[-1]
    if width > _MOST_AT_ONCE // _FEWEST:
        return None
    rows = targets.reshape(size, -1, width)
    places = max(1, min(_MOST_PLACES, _MOST_AT_ONCE // (_FEWEST * width)))
    rows = rows[:, :: -(-rows.shape[1] // places)]
    most = min(_MOST_SAMPLES, _MOST_AT_ONCE // (width * rows.shape[1]))
    apart = -(-size // most)
    return widest(rows[turn % apart :: apart]).clone()
