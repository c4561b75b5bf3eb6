"""Which of many treatments is the best: successive halving over seeds, in a budget."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest

from reluctant.lab._bench import UNTREATED_RIVAL, Bench, OutOfTime, Rival
from reluctant.lab._candidates import joined
from reluctant.lab._course import Course
from reluctant.lab._judge import start_loss
from reluctant.lab._trial import LEVEL, trial_of
from reluctant.records import UNTREATED, Trial, UsageError

ROUNDS = (1, 2, 4, 8, 16)  # seeds by which rivals are sorted out
BEGIN = (4, 2, 1)  # seeds of the first round: as many as leave room for all
KEPT = 1 / 3  # of the rivals, after each round
MOST = 0.75  # of the rivals must fit, or the first round takes fewer seeds
LITTLE = 0.2  # of a training in torch: what costs less is not tried on fewer seeds
SOME = 0.3  # of the rivals, that must cost so little for dear ones to be left out
FEW = 12  # trainings, in which there is little room for more than one round
FIRST = 0.6  # of the search, that the first round may take
FIRST_OF_FEW = 0.75  # likewise of few: the likeliest come first, so the last may wait
SINGLE = 0.8  # of the search, that remedies alone may take: the rest is for pairs
ENOUGH = 0.9  # successes, and of all there is to gain: no second remedy beside it
NEAR = 0.02  # of what there is to gain: losses that differ by less are alike
LIKELY = 6  # of what was prescribed first, and of what did best: paired if need be
MOST_PAIRS = 15
STEP = "lower-learning-rate"
DOSE = 10**0.5  # from one rate, or factor, to the next
DOSES = 4  # by which that of the best one is moved, at most: two decades
FINE = 0.96  # of all there is to gain: there no other dose can be clearly better
UNTOLD = 2  # seeds: losses that are alike on so few do not tell cures apart
MOSTLY = 0.5  # of the pairs won, less those lost: clearly better than untreated
DEARER = 1.1  # times an untreated training
CHEAP = 0.02  # of a training in torch: one in the fused engine, unless it is timed
TIMED = 3  # trainings in the fused engine by which it is timed

ALL = "all seeds were used"
USED_UP = "the budget was used up"


@dataclass
class Budget:
    """What a treatment may spend, and how far it has got.

    Attributes:
        bench: That spends it.
        begun: When, by `time.monotonic`.
        seconds: Of wall time in all; None for any.
        most_steps: Optimizer steps in all; None for any.
        each: Seconds that a training in torch takes on a core.
        workers: Cores.
        fused: Seconds that one in the fused engine takes; nan if unknown.
    """

    bench: Bench
    begun: float
    seconds: float | None
    most_steps: float | None
    each: float
    workers: int
    fused: float = math.nan

    def limit(self, share: float) -> None:
        """Let the bench stop at a share of it."""
        deadline = None if self.seconds is None else self.begun + share * self.seconds
        most = None if self.most_steps is None else share * self.most_steps
        self.bench.limit(deadline, most)

    def left(self, share: float) -> float:
        """Trainings in torch that a share of it still has room for; inf for any."""
        left = math.inf
        if self.most_steps is not None:
            rest = share * self.most_steps - self.bench.spent
            left = rest / self.bench.steps
        if self.seconds is not None:
            rest = self.begun + share * self.seconds - time.monotonic()
            left = min(left, rest * self.workers / max(self.each, 1e-9))
        return max(0.0, left)

    def cost(self, rival: Rival) -> float:
        """Of one training of an arm, in trainings in torch."""
        if self.most_steps is not None:
            return 1.0
        if self.bench.engine(rival) != "fused":
            return 1.0
        cost = self.fused * self.workers / max(self.each, 1e-9)
        return cost if math.isfinite(cost) else CHEAP

    def proof(self, rival: Rival) -> float:
        """Of one pair of an arm, with no treatment and a restart beside it."""
        return 2 * self.cost(UNTREATED_RIVAL) + self.cost(rival)

    def measure(self) -> None:
        """Train untreated, and see how long it takes."""
        if self.seconds is None:
            return
        self.bench.run([UNTREATED_RIVAL], [0])  # the first one also compiles
        begun = time.monotonic()
        if self.bench.engine(UNTREATED_RIVAL) == "fused":
            self.bench.run([UNTREATED_RIVAL], range(1 + TIMED))
            self.fused = (time.monotonic() - begun) / TIMED


class Search:
    """Sorts rivals out. Every training runs to its end: short ones reject right cures.

    Args:
        bench: Trains them.
        budget: That it shares with what comes after.
        share: Of the budget that the search may take.
        success: Criterion.
        notify: Given a line for each stretch of work.
        redosed: A rival at so many times its dose; None if it has none.

    Attributes:
        rounds: The trials so far.
        notes: What a reader should know.
    """

    def __init__(
        self,
        bench: Bench,
        budget: Budget,
        share: float,
        success: str,
        notify: Callable[[str], None],
        redosed: Callable[[Rival, float], Rival | None] = lambda rival, times: None,
    ) -> None:
        self._bench, self._budget, self._share = bench, budget, share
        self._success, self._notify, self._redosed = success, notify, redosed
        self.rounds: list[Trial] = []
        self.notes: list[str] = []

    def sort_out(self, rivals: Sequence[Rival]) -> list[Rival]:
        """The best rivals, pairs of them included where one is not enough."""
        self._budget.limit(self._share)
        first, count = self._begin(rivals)
        if first:
            self._notify(f"the first is {first[0].name}")
        ranked = self._halved(first, [n for n in ROUNDS if n > count])
        ranked = self._dosed(ranked, count)
        if not ranked or self._is_enough(ranked[0]):
            return ranked
        best = ranked[0]
        likely = {r.name: r for r in [best, *rivals[:LIKELY], *first[:LIKELY]]}
        order = [*(r for r in ranked if r not in first), *first]
        members = [r for r in order if r.name in likely]
        pairs = _pairs(members, order, self._is_too_long)
        ranked = self._combined(pairs, ranked, count)
        if ranked[0] is not best:
            ranked = self._dosed(ranked, count)
        if self._is_enough(ranked[0]):
            return ranked
        more = [joined(ranked[0], r) for r in members]
        return self._combined([r for r in more if r is not None], ranked, count)

    # --- inside

    def _begin(self, rivals: Sequence[Rival]) -> tuple[list[Rival], int]:
        """All rivals, or the likeliest of them, on as many seeds as there is room for.

        Those that cannot be made are told apart before, which costs nothing.
        """
        with contextlib.suppress(OutOfTime):
            self._budget.measure()
        possible = self._bench.possible(rivals, range(max(BEGIN)))
        refused = [r for r in rivals if r not in possible]
        room = self._budget.left(self._share)
        room *= FIRST if room > FEW else FIRST_OF_FEW
        costs = {r.name: self._budget.cost(r) for r in possible}
        own = self._budget.cost(UNTREATED_RIVAL)
        cheap = {name for name, cost in costs.items() if cost < LITTLE}
        names: set[str] = set()
        for count in BEGIN:
            spent, names = count * own, set()
            for rival in sorted(possible, key=lambda r: r.name not in cheap):
                cost = count * costs[rival.name]
                if not names or spent + cost <= room:
                    names.add(rival.name)
                    spent += cost
            has_cheap = len(cheap) >= SOME * len(possible) and cheap <= names
            if has_cheap or len(names) >= MOST * len(possible):
                break
        chosen = [r for r in possible if r.name in names]
        if len(chosen) < len(possible):
            self.notes.append(
                "not tried, for the budget leaves no room: "
                + ", ".join(r.name for r in possible if r not in chosen)
            )
        return self._ranked(chosen, self._round([*chosen, *refused], count)), count

    def _halved(self, ranked: list[Rival], counts: Sequence[int]) -> list[Rival]:
        """The best ones on more and more seeds; what is left, the best first."""
        for count in counts:
            if len(ranked) <= 1:
                break
            left = ranked[: max(2, math.ceil(len(ranked) * KEPT))]
            left = self._affordable(left, count, SINGLE)
            if not left:
                break
            found = self._round(left, count)
            ranked = self._ranked(left, found) or ranked
            if found.ended != ALL:
                break
        return ranked

    def _dosed(self, ranked: list[Rival], count: int) -> list[Rival]:
        """The best one's dose moved both ways, and on, as long as that is better."""
        before = ranked[:1]
        ways: tuple[float, ...] = (DOSE, 1 / DOSE)
        for _ in range(DOSES):
            if not ranked or self.rounds[-1].ended != ALL:
                break
            best, at = ranked[0], min(count, len(self.rounds[-1].seeds))
            if self._is_enough(best, FINE):
                break
            doses = [(w, r) for w in ways if (r := self._redosed(best, w)) is not None]
            possible = self._bench.possible([r for _, r in doses], range(at))
            chosen = self._affordable(possible, at, 1.0)
            if not chosen:
                break
            self._notify(f"{best.name} at other doses")
            trial = self._round([*chosen, best], at)
            found = self._ranked([*chosen, best], trial)
            if not found or not self._is_better(found[0], best, trial):
                break
            ways = tuple(way for way, rival in doses if rival is found[0])
            ranked = [*found, *(r for r in ranked if r is not best)]
        return self._checked(ranked, before)

    def _checked(self, ranked: list[Rival], before: list[Rival]) -> list[Rival]:
        """What is new at the head, on all seeds that the former head is known on."""
        if not before or ranked[0] is before[0]:
            return ranked
        both = [ranked[0], before[0]]
        found = self._most_telling(before[0].name)
        known = len(found.seeds) if found else 0
        if len(self._affordable(both, known, 1.0)) < len(both):
            return ranked
        first = self._ranked(both, self._round(both, known)) or both
        return [*first, *(r for r in ranked if r not in first)]

    def _combined(
        self, pairs: Sequence[Rival], ranked: list[Rival], count: int
    ) -> list[Rival]:
        """The best of combinations and of what was best, as far as there is room."""
        known = len(self.rounds[-1].seeds)
        at = min(count, known)
        names = {rival.name for rival in ranked[:2]}
        new = [pair for pair in pairs if pair.name not in names]
        pairs = self._bench.possible(new, range(at))
        chosen = self._affordable(pairs, at, 1.0)
        if not chosen or self.rounds[-1].ended != ALL:
            return ranked
        self._notify(f"none is enough: {len(chosen)} combinations")
        trial = self._round([*chosen, *ranked[:2]], at)
        found = self._ranked([*chosen, *ranked[:2]], trial)
        best = found[: max(2, math.ceil(len(found) * KEPT))]
        best += [r for r in ranked[:2] if r not in best]
        for more in [n for n in ROUNDS if n > at]:
            some = self._affordable(best, more, 1.0)
            if len(some) < 2 or trial.ended != ALL:
                break
            trial = self._round(some, more)
            found = self._ranked(some, trial) or found
            best = found[: max(2, math.ceil(len(found) * KEPT))]
        return found or ranked

    def _affordable(
        self, rivals: Sequence[Rival], count: int, share: float
    ) -> list[Rival]:
        """As many of them, from the first, as there is room for at some seeds."""
        room = self._budget.left(share * self._share)
        room -= self._missing(UNTREATED_RIVAL, count)
        chosen = []
        for rival in rivals:
            room -= self._missing(rival, count)
            if room < 0:
                break
            chosen.append(rival)
        return chosen

    def _missing(self, rival: Rival, count: int) -> float:
        """What an arm still costs until it is known at so many seeds."""
        known = len(self._bench.done(rival, range(count)))
        return (count - known) * self._budget.cost(rival)

    def _is_enough(self, rival: Rival, gain: float = ENOUGH) -> bool:
        found = self._most_telling(rival.name)
        if found is None:
            return False
        best = found.arm(rival.name).success
        if not best.n or best.p < ENOUGH:
            return False
        done = self._bench.done(rival, found.seeds)
        gains = [
            1 - d.attempt.loss / start
            for d in done
            if (start := start_loss(d.attempt)) > 0
        ]
        return bool(gains) and sorted(gains)[len(gains) // 2] >= gain

    def _most_telling(self, name: str) -> Trial | None:
        """Of the rounds in which an arm was, the last one on the most seeds."""
        own = [r for r in self.rounds if any(a.name == name for a in r.arms)]
        most = max((len(found.seeds) for found in own), default=0)
        return next((r for r in reversed(own) if len(r.seeds) == most), None)

    def _round(self, rivals: Sequence[Rival], count: int) -> Trial:
        self._notify(f"{len(rivals)} treatments on {count} seeds")
        seeds = range(count)
        ended = ALL
        try:
            self._bench.run([UNTREATED_RIVAL, *rivals], seeds)
        except OutOfTime:
            ended = USED_UP
            self.notes.append(
                f"the budget was used up while {len(rivals)} treatments were sorted "
                f"out on {count} seeds."
            )
        found = trial_of(
            self._bench, rivals, seeds, self._success, LEVEL, ended, restart=False
        )
        if not found.arm(UNTREATED).outcomes:
            reason = found.arm(UNTREATED).refusal or "the budget is too small"
            raise UsageError(f"not one training could be done: {reason}")
        errors = {o.reason for o in found.arm(UNTREATED).outcomes if o.reason}
        if all(o.outcome == "raised" for o in found.arm(UNTREATED).outcomes):
            raise UsageError(f"the training itself fails: {sorted(errors)[0]}")
        self.rounds.append(found)
        return found

    def _ranked(self, rivals: Sequence[Rival], found: Trial) -> list[Rival]:
        """Those that could be tried, the best first; half-tried ones are left out."""
        most = max((len(found.arm(r.name).outcomes) for r in rivals), default=0)
        tried = [r for r in rivals if 0 < len(found.arm(r.name).outcomes) == most]
        least = self._least(tried, found)

        def key(rival: Rival) -> tuple[float, ...]:
            arm = found.arm(rival.name)
            compared = found.against_untreated(rival.name)
            won = (compared.wins - compared.losses) if compared else 0
            pairs = max(1, compared.pairs) if compared else 1
            invasive = sum(p.trust != "safe" for p in rival.prescriptions)
            loss = arm.loss if math.isfinite(arm.loss) else math.inf
            is_far = self._is_far(rival, found, least)
            return (
                -round(arm.success.p, 2),
                is_far,
                won / pairs < MOSTLY,
                loss if is_far else 0.0,  # half of a cure, by how much it cures
                invasive,  # of cures, the one that changes less of what is learnt
                len(rival.prescriptions),
                _is_staged(rival),
                arm.cost > DEARER,
                -round(won / pairs, 1),
                loss if most > UNTOLD else 0.0,  # else as they came: likeliest first
            )

        return sorted(tried, key=key)

    def _is_better(self, rival: Rival, best: Rival, found: Trial) -> bool:
        """Whether a rival succeeds oftener than the best, or comes clearly lower."""
        ours, theirs = (found.arm(r.name).success.p for r in (rival, best))
        least = self._least([rival, best], found)
        return ours > theirs or (ours == theirs and self._is_far(best, found, least))

    def _is_too_long(self, rival: Rival) -> bool | None:
        """Whether a shorter step is what a remedy lacks; None if that cannot be told.

        It is where the remedy alone diverges. It may be where a shorter step alone does
        no harm.
        """
        own, alone = self._losses(rival.name)
        if math.isfinite(own) and math.isinf(alone):
            return True
        own, shorter = self._losses(STEP)
        return None if math.isfinite(shorter) and shorter <= own else False

    def _losses(self, name: str) -> tuple[float, float]:
        """Untreated, and of an arm on the same seeds; nan if it was not tried."""
        found = self._most_telling(name)
        if found is None:
            return math.nan, math.nan
        return found.arm(UNTREATED).loss, found.arm(name).loss

    def _least(self, rivals: Sequence[Rival], found: Trial) -> dict[int, float]:
        """The least loss of any of them, by seed."""
        least: dict[int, float] = {}
        for rival in rivals:
            if not self._bench.is_comparable(rival):
                continue  # losses of two kinds cannot be compared
            for outcome in found.arm(rival.name).outcomes:
                if math.isfinite(outcome.loss):
                    before = least.get(outcome.seed, math.inf)
                    least[outcome.seed] = min(before, outcome.loss)
        return least

    def _is_far(self, rival: Rival, found: Trial, least: dict[int, float]) -> bool:
        """Whether another one leaves clearly less of the loss, on half of the seeds."""
        if not self._bench.is_comparable(rival):
            return False
        behind = []
        for done in self._bench.done(rival, found.seeds):
            a = done.attempt
            start = abs(start_loss(a)) or math.inf
            best = least.get(a.cell.seed, math.inf)
            behind.append(not a.loss - best <= NEAR * start)
        return 2 * sum(behind) > len(behind)


def _pairs(
    members: Sequence[Rival],
    ranked: Sequence[Rival],
    is_too_long: Callable[[Rival], bool | None],
) -> list[Rival]:
    """Pairs of the likeliest: of what was prescribed first, and what did best.

    Those with a shorter step come first where the step may be too long: alone that
    brings nothing back that was lost, and what is brought back without it is lost
    again. Elsewhere they take turns with the others.
    """
    place = {rival.name: i for i, rival in enumerate(ranked)}
    sure: list[Rival] = []
    likely: list[Rival] = []
    unlikely: list[Rival] = []
    others: list[Rival] = []
    for one, two in sorted(
        combinations(members, 2), key=lambda pair: sum(place[r.name] for r in pair)
    ):
        pair = joined(one, two)
        if pair is None:
            continue
        if STEP not in (one.name, two.name):
            others.append(pair)
            continue
        known = is_too_long(two if one.name == STEP else one)
        (sure if known else likely if known is None else unlikely).append(pair)
    turns = [p for both in zip_longest(others, unlikely) for p in both if p is not None]
    return [*sure, *likely, *turns][:MOST_PAIRS]


def _is_staged(rival: Rival) -> bool:
    """Whether it takes more than a line of the user's: several starts, or stages."""
    course = Course.of(rival.changes)
    return course.select is not None or bool(course.late)
