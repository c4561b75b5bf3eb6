"""What counts as success, and what a failure was."""

import math
import re
from collections.abc import Sequence

import msgspec

from reluctant.lab._cells import Attempt
from reluctant.records import UsageError
from reluctant.records._success_map import MapOutcome

DEFAULT = "gap<0.05"
LEAST = 0.05  # of what there is to gain: less is nothing learned
FALLING = 0.97  # of the loss one window ago: not yet at rest
ABOVE_START = 2.0  # times the loss at the start: diverged, though finite
_FORM = re.compile(r"\s*(gap|loss|score)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*")


class Criterion(msgspec.Struct, frozen=True):
    """A limit on the gap, the loss or the score at the end."""

    measure: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}{'>' if self.measure == 'score' else '<'}{self.limit:g}"


def read_criterion(text: str) -> Criterion:
    """Read `loss<0.1`, `score>0.9` or `gap<0.05`.

    Raises:
        UsageError: If it is none of these.
    """
    match = _FORM.fullmatch(text)
    way_out = "write loss<0.1, score>0.9 or gap<0.05."
    if match is None:
        raise UsageError(f"{text!r} is no criterion of success: {way_out}")
    measure, sign, number = match.groups()
    try:
        limit = float(number)
    except ValueError:
        raise UsageError(f"{number!r} in {text!r} is no number: {way_out}") from None
    if (measure == "score") != (sign[0] == ">"):
        wanted = "above" if measure == "score" else "below"
        raise UsageError(f"a {measure} succeeds {wanted} its limit: {way_out}")
    if measure == "gap" and not 0 < limit < 1:
        raise UsageError(f"a gap of {limit:g} is not between 0 and 1: {way_out}")
    return Criterion(measure, limit)


class Judge:
    """Judges attempts beside each other.

    Args:
        criterion: What counts as success.
        attempts: All that are to be compared: the best of them is a measure.
    """

    def __init__(self, criterion: Criterion, attempts: Sequence[Attempt]) -> None:
        self.criterion = criterion
        whole = [a for a in attempts if math.isfinite(a.loss)]
        self.by_score = bool(whole) and all(
            math.isfinite(a.score) and a.constant_score < 1 for a in whole
        )
        self.best = max(whole, key=self.gain, default=None)
        self.best_gain = max((self.gain(a) for a in whole), default=math.nan)

    def gain(self, attempt: Attempt) -> float:
        """From the best constant predictor (0) to perfection (1); nan if unknown.

        By the score where all have one; else by the loss, 1 being a loss of zero.
        """
        if self.by_score:
            return (attempt.score - attempt.constant_score) / (
                1 - attempt.constant_score
            )
        start = start_loss(attempt)
        return (start - attempt.loss) / abs(start) if start else math.nan

    def outcome(self, attempt: Attempt) -> MapOutcome:
        """What an attempt was, in one word."""
        if attempt.stop == "raised" or attempt.stop == "hung":
            return attempt.stop
        if attempt.stop == "nonfinite" or not math.isfinite(attempt.loss):
            return "diverged"
        if self._succeeded(attempt):
            return "trained"
        if attempt.silent or attempt.stop == "frozen":
            return "dead"
        known = (attempt.first_loss, attempt.constant_loss)
        start = max((x for x in known if math.isfinite(x)), default=math.inf)
        if attempt.loss > ABOVE_START * start > 0:
            return "diverged"
        return "slow" if attempt.trend < FALLING else "stuck"

    def meaning(self) -> str:
        """The criterion as a clause, with its numbers."""
        measure, limit = self.criterion.measure, self.criterion.limit
        if measure != "gap":
            word = "above" if measure == "score" else "below"
            end = f"is {word} {limit:g}"
            return f"the {measure} over the training data at the end {end}"
        if self.best is None:
            return "nothing succeeded: no training came to a finite loss"
        what = "score" if self.by_score else "loss"
        constant = getattr(self.best, f"constant_{what}")
        first = "the best constant predictor"
        if math.isnan(constant):
            constant, first = self.best.first_loss, "the start"
        return (
            f"the {what} over the training data at the end has come at least "
            f"{100 * (1 - limit):.4g} % of the way from {first} ({constant:.4g}) to "
            f"the best training of this map ({getattr(self.best, what):.4g})"
        )

    def notes(self) -> list[str]:
        """What makes the criterion say less than it seems to."""
        if self.criterion.measure == "gap" and not self.best_gain >= LEAST:
            return [
                "no training came away from the best constant predictor by "
                f"{LEAST:.0%} of what there is to gain, so none counts as success."
            ]
        return []

    def _succeeded(self, attempt: Attempt) -> bool:
        measure, limit = self.criterion.measure, self.criterion.limit
        if measure == "loss":
            return attempt.loss < limit
        if measure == "score":
            return attempt.score > limit
        least = (1 - limit) * self.best_gain
        return self.best_gain >= LEAST and self.gain(attempt) >= least


def start_loss(attempt: Attempt) -> float:
    """What there is to lose: of the best constant predictor, or of the start."""
    known = attempt.constant_loss
    return known if math.isfinite(known) else attempt.first_loss
