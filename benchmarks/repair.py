"""How often the pipeline repairs a faulty training of which it knows nothing.

Each faulty recipe of the corpus is treated as `reluctant treat` would: diagnosed,
candidates tried, the best confirmed. Its cause is not told. What won is made to fresh
trainings on seeds that nothing was chosen by, and these are scored as the recipe scores
them, or by the loss at the end. Beside it stand no treatment at all, the repaired twin
of the recipe, and random search: changes of the same catalogue, one or two at a time,
rates within three orders of magnitude, one training each; the best one wins. Both may
spend the same number of training steps, of which 18 trainings are for the proof: six
pairs on fresh seeds beside no treatment and a restart. Random search is spared the
proof itself, but not its cost. The smaller the budget, the more it matters where one
begins.

As good as the twin: the median over the seeds is no worse than the twin's mean less two
standard deviations of its seeds, or less a fiftieth of what the repair gains, whichever
is further: of two losses near zero, one may be twice the other and both be right.

Faults that sit in the program around a training (see `_repair_faults.py`) cannot be
reached so. There the answer is a patch: it counts if a prescription for the headline
says what to edit, and the headline names the true cause. A loop of the recipe's own is
watched as it is for that.

    python benchmarks/repair.py [--only step] [--budget 24] [--seeds 5] [--workers 2]

What is done stands in out/repair-BUDGET.json; --fresh does it again.
Recipes come in a fixed order that mixes all kinds: what --minutes leaves is a sample.
--record writes results/repair-BUDGET.json.
"""

import argparse
import json
import math
import os
import re
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch reads it

import numpy as np  # noqa: E402
import torch  # noqa: E402
from _repair_faults import IN_THE_SOURCE  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from corpus._figures import Share  # noqa: E402
from corpus._recipes import Recipe, recipes  # noqa: E402
from corpus._watched import Run  # noqa: E402
from reluctant import diagnose, watch  # noqa: E402
from reluctant.lab import Training, treat_recipe  # noqa: E402
from reluctant.lab._advance import fused_plan  # noqa: E402
from reluctant.lab._bench import Bench, OutOfTime, Rival  # noqa: E402
from reluctant.lab._candidates import catalogue, joined  # noqa: E402
from reluctant.lab._course import treated_training  # noqa: E402
from reluctant.lab._judge import Judge, read_criterion  # noqa: E402
from reluctant.lab._starts import Starts  # noqa: E402
from reluctant.lab.engines import UnsupportedError  # noqa: E402
from reluctant.records import (  # noqa: E402
    Change,
    Diagnosis,
    ScaleLearningRate,
    SwapOptimizer,
    UsageError,
)

OUT = ROOT / "out" / "repair.json"
RESULTS = Path(__file__).parent / "results" / "repair.json"
FIRST_SEED = 20_000  # of those that are scored: nothing is chosen by them
CONFIRMING = 6  # pairs: the fewest by which a sign test can tell
LAST = 0.1  # of the steps, over as many batches the loss at the end is taken
SPREADS = 2.0  # standard deviations of the twin's seeds
LEAST = 0.02  # of what the repair gains
DECADES = 3.0  # within which random search draws rates
PROOF = 3 * CONFIRMING  # trainings: untreated, restart and the winner
SEARCHES = ("treated", "random")
ARMS = (*SEARCHES, "untreated")


def main() -> int:
    """0; what it found stands in the table."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--only", default="", help="recipes whose name or cause holds it")
    ask.add_argument(
        "--budget", type=int, default=24, help="of each search, in trainings"
    )
    ask.add_argument("--seeds", type=int, default=5, help="on which all are scored")
    ask.add_argument("--workers", type=int, default=1, help="recipes at a time")
    ask.add_argument("--minutes", type=float, default=600, help="begin none after it")
    ask.add_argument("--arms", default="treated,random", help="searches to be done")
    ask.add_argument("--out", type=Path, help="else out/repair-BUDGET.json")
    ask.add_argument("--fresh", action="store_true", help="do again what is done")
    ask.add_argument(
        "--record", action="store_true", help="write results/repair-BUDGET.json"
    )
    given = ask.parse_args()
    if given.budget <= PROOF:
        ask.error(
            f"--budget {given.budget}: a proof takes {PROOF}, give more than that"
        )
    given.out = given.out or OUT.with_stem(f"repair-{given.budget}")
    results = RESULTS.with_stem(f"repair-{given.budget}")
    chosen = [
        recipe
        for recipe in mixed(recipes())
        if recipe.cause and re.search(given.only, f"{recipe.name} {recipe.cause}")
    ]
    end = time.monotonic() + 60 * given.minutes
    done = json.loads(given.out.read_text()) if given.out.exists() else {}
    arms = [arm for arm in given.arms.split(",") if arm]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.workers) as pool:
        jobs = {}
        for recipe in chosen:
            known = done.get(recipe.name, {})
            if known.get("seeds") != given.seeds:
                known = {}
            if known.get("budget") != given.budget:
                known = {k: v for k, v in known.items() if k not in SEARCHES}
            wanted = [a for a in arms if a == "treated" or is_reached(recipe.name)]
            missing = [a for a in wanted if given.fresh or a not in known]
            if missing or "twin" not in known:
                work = (recipe, given.budget, given.seeds, missing, known, end)
                jobs[pool.submit(one, *work)] = recipe
        for job in as_completed(jobs):
            recipe = jobs[job]
            if job.result() is None:
                continue  # no time was left to begin it
            done[recipe.name] = job.result()
            given.out.write_text(json.dumps(done, indent=1) + "\n")
            print(line(recipe.name, done[recipe.name]), flush=True)
    found = {r.name: done[r.name] for r in chosen if r.name in done}
    print(*table(found), sep="\n")
    if given.record:
        results.parent.mkdir(exist_ok=True)
        results.write_text(json.dumps(found, indent=1) + "\n")
    return 0


# --- one recipe


def mixed(known: Sequence[Recipe]) -> list[Recipe]:
    """In a fixed order that mixes all kinds, so that those that are done are a sample.

    Those that a treatment can reach come first.
    """
    order = np.random.default_rng(7).permutation(len(known))
    return sorted((known[i] for i in order), key=lambda r: not is_reached(r.name))


def one(
    recipe: Recipe,
    budget: int,
    seeds: int,
    arms: Sequence[str],
    known: dict[str, Any],
    end: float,
) -> dict[str, Any] | None:
    """Everything about one recipe, as data; None where it is too late to begin."""
    if time.monotonic() > end:
        return None
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # what a beginner overlooks, too
    exam = Exam(recipe, seeds)
    found = {**known, "budget": budget, "seeds": seeds}
    if "twin" not in found:
        found["twin"] = exam.scores("repaired")
        found["untreated"] = {"scores": exam.scores("faulty")}
    for arm in arms:
        begun = time.perf_counter()
        found[arm] = treat(exam, budget) if arm == "treated" else search(exam, budget)
        found[arm]["seconds"] = round(time.perf_counter() - begun, 1)
    return found


class Exam:
    """Scores trainings of one recipe on seeds that nothing is chosen by."""

    def __init__(self, recipe: Recipe, seeds: int) -> None:
        self.recipe = recipe
        self.seeds = range(FIRST_SEED, FIRST_SEED + seeds)

    def make(self, seed: int) -> Training:
        """The faulty recipe, its data as a loader where that trains in the same way."""
        made: Training = self.recipe.load().make(seed, faulty=True)
        b = made.batches
        if type(b).__name__ == "Batches" and not self.recipe.has_loop:
            size, data = min(b.size, len(b.x)), TensorDataset(b.x, b.y)
            loader = DataLoader(data, size, shuffle=b.shuffle, drop_last=True)
            as_loader = Training(made.model, made.loss_fn, made.optimizer, loader)
            try:
                fused_plan(as_loader)
            except (UnsupportedError, UsageError):
                return made
            return as_loader
        return made

    def scores(self, variant: str) -> list[float | None]:
        """Of a variant of the recipe, in its own loop."""
        found = []
        for seed in self.seeds:
            training = self.recipe.build(variant, seed)
            run = Run(lambda loss: None, lambda optimizer: None)
            with training.own_randomness():
                self.recipe.loop(variant)(training, run, self.recipe.steps)
            found.append(self.score(training, seed))
        return found

    def treated(self, changes: tuple[Change, ...]) -> list[float | None]:
        """Of the faulty variant with changes."""
        starts = Starts(partial(self.recipe.load().make, faulty=True))
        found: list[float | None] = []
        for seed in self.seeds:
            try:
                training = treated_training(
                    starts, changes, steps=self.recipe.steps, seed=seed
                )
            except UsageError:
                found.append(None)
            else:
                found.append(self.score(training, seed))
        return found

    def score(self, training: Training, seed: int) -> float | None:
        """More is better; None where nothing is left.

        Losses are those of the repaired twin's loss on the training's own batches: a
        fault may sit in the loss, and a treatment may change it.
        """
        try:
            score = self.recipe.score(training.model)
            if score is None:
                loss_fn = self.recipe.build("repaired", seed).loss_fn
                score = -self._loss(training, loss_fn)
        except (RuntimeError, ValueError, IndexError):  # shapes that do not fit it
            return None
        return float(score) if math.isfinite(score) else None

    def _loss(self, training: Training, loss_fn: Any) -> float:
        count = max(1, int(LAST * self.recipe.steps))
        with torch.no_grad(), training.own_randomness():
            batches = [training.next_batch() for _ in range(count)]
            losses = [float(loss_fn(training.outputs(x), y)) for x, y in batches]
        return math.fsum(losses) / count


def treat(exam: Exam, budget: int) -> dict[str, Any]:
    """The pipeline, blind."""
    recipe = exam.recipe
    diagnosis, record = watched_loop(recipe), None
    error = ""
    try:
        record = treat_recipe(
            exam.make,
            steps=recipe.steps,
            seeds=CONFIRMING,
            seconds=None,
            most_steps=budget * recipe.steps,
            workers=1,
            name=recipe.name,
        ).record
    except UsageError as reason:  # such as a training that raises
        error = str(reason)
    diagnosis = diagnosis or (record.diagnosis if record else None)
    winner = record.winner if record else ""
    changes: tuple[Change, ...] = ()
    if record is not None and record.confirmation is not None and winner:
        arm = record.confirmation.arm(winner)
        changes = tuple(c for p in arm.prescriptions for c in p.changes)
    untreated = not changes
    return {
        "scores": exam.scores("faulty") if untreated else exam.treated(changes),
        "winner": winner,
        "verdict": record.verdict if record else error,
        "root": diagnosis.root.name if diagnosis and diagnosis.root else "",
        "right": is_right(recipe, diagnosis),
        "patch": patch_of(diagnosis),
        "tried": sorted(
            {a.name for r in record.rounds for a in r.arms if a.outcomes}
            if record
            else ()
        ),
    }


def watched_loop(recipe: Recipe) -> Diagnosis | None:
    """What is said of a loop of the recipe's own; None where there is none."""
    if not recipe.has_loop:
        return None
    training = recipe.build("faulty", 0)
    with watch(training.model, training.optimizer, budget=0.9) as run:
        handed = Run(run.loss, run.add)
        with training.own_randomness():
            recipe.loop("faulty")(training, handed, recipe.steps)
    return diagnose(run.trace)


def is_right(recipe: Recipe, diagnosis: Diagnosis | None) -> bool:
    """Whether the headline names the true cause."""
    root = diagnosis.root if diagnosis else None
    return root is not None and root.name in recipe.right


def patch_of(diagnosis: Diagnosis | None) -> str:
    """The first prescription for the headline, as code."""
    root = diagnosis.root if diagnosis else None
    if diagnosis is None or root is None:
        return ""
    patches = [p.patch for p in diagnosis.prescriptions if p.cures == root.code]
    return next((p for p in patches if p), "")


def search(exam: Exam, budget: int) -> dict[str, Any]:
    """Random search over the same changes, by what a proof leaves of the budget."""
    budget -= PROOF
    recipe = exam.recipe
    steps, rng = recipe.steps, np.random.default_rng(0)
    bench = Bench(exam.make, steps=steps, workers=1, most_steps=budget * steps)
    known = catalogue(exam.make(0), steps)
    drawn: dict[str, Rival] = {}
    judged: dict[str, Any] = {}
    misses = 0
    while known and misses < 10 * budget and bench.spent < budget * steps:
        rival = draw(known, rng, len(drawn))
        if rival is None:
            continue
        try:
            bench.run([rival], [0])
        except OutOfTime:
            break
        done = bench.done(rival, [0])
        misses += not done  # it does not fit here, and cost nothing
        if done:
            drawn[rival.name], judged[rival.name] = rival, done[0].attempt
    if not drawn:
        return {"scores": exam.scores("faulty"), "winner": "", "tried": 0}
    judge = Judge(read_criterion("gap<0.05"), list(judged.values()))

    def gain(name: str) -> float:
        value = judge.gain(judged[name])
        return value if math.isfinite(value) else -math.inf

    best = max(drawn, key=gain)
    names = [p.remedy for p in drawn[best].prescriptions]
    scores = exam.treated(drawn[best].changes)
    return {"scores": scores, "winner": " + ".join(names), "tried": len(drawn)}


def draw(known: Sequence[Rival], rng: np.random.Generator, number: int) -> Rival | None:
    """One or two changes with equal chances; rates drawn, too."""
    rival: Rival | None = known[rng.integers(len(known))]
    if rng.random() < 0.5 and rival is not None:
        rival = joined(rival, known[rng.integers(len(known))])
    if rival is None:
        return None
    factor = 10 ** float(rng.uniform(-DECADES, DECADES))

    def other(change: Change) -> Change:
        if isinstance(change, ScaleLearningRate):
            return ScaleLearningRate(factor)
        if isinstance(change, SwapOptimizer):
            rate = change.rate * factor
            return SwapOptimizer(change.optimizer, rate, change.momentum)
        return change

    from msgspec.structs import replace

    prescriptions = tuple(
        replace(p, changes=tuple(other(c) for c in p.changes))
        for p in rival.prescriptions
    )
    return Rival(f"{number}: {rival.name}", prescriptions)


# --- what is counted


def is_reached(name: str) -> bool:
    """Whether a change of the live training can reach the fault of a recipe."""
    return name not in IN_THE_SOURCE


def is_repaired(found: dict[str, Any], arm: str) -> bool:
    """Whether an arm is as good as the repaired twin."""
    twin = [s for s in found["twin"] if s is not None]
    before = [s for s in found["untreated"]["scores"] if s is not None]
    scores = [-math.inf if s is None else s for s in found[arm]["scores"]]
    gained = statistics.mean(twin) - statistics.median(before) if before else 0.0
    spread = SPREADS * statistics.stdev(twin) if len(twin) > 1 else 0.0
    least = statistics.mean(twin) - max(spread, LEAST * gained)
    return statistics.median(scores) >= least


def is_answered(found: dict[str, Any]) -> bool:
    """Whether the true cause is the headline, and a patch for it was printed."""
    treated = found.get("treated", {"right": False, "patch": ""})
    return bool(treated["right"] and treated["patch"])


def line(name: str, found: dict[str, Any]) -> str:
    """One recipe in one line."""
    cells = [f"{name:36s}"]
    for arm in ARMS:
        if arm in found:
            middle = statistics.median(
                -math.inf if s is None else s for s in found[arm]["scores"]
            )
            cells.append(f"{'ok ' if is_repaired(found, arm) else '-- '}{middle:<9.3g}")
    twin = statistics.median(-math.inf if s is None else s for s in found["twin"])
    cells.append(f"twin {twin:<9.3g}")
    treated = found.get("treated", {})
    if not is_reached(name):
        cells.append(f"source, patch {'right' if is_answered(found) else 'wrong'};")
    cells.append(f"{treated.get('root', '')}: {treated.get('winner', '')}")
    return " ".join(cells).rstrip()


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """The figures."""
    reach = {n: f for n, f in found.items() if is_reached(n)}
    source = {n: f for n, f in found.items() if not is_reached(n)}
    lines = ["", f"{len(reach)} faults that a change of the live training can reach:"]
    shares = {}
    for arm in ARMS:
        some = [f for f in reach.values() if arm in f]
        shares[arm] = Share(sum(is_repaired(f, arm) for f in some), len(some))
        lines.append(f"  {arm:10s} {shares[arm]}")
    if shares["random"].count:
        ratio = shares["treated"].value / shares["random"].value
        lines.append(f"  treated over random search: {ratio:.2f}")
    known = [f for f in source.values() if "treated" in f]
    answered = Share(sum(map(is_answered, known)), len(known))
    lines += [
        f"{len(source)} faults in the program around it:",
        f"  cause named, with what to edit {answered}",
        "  trains as well all the same, treated "
        f"{Share(sum(is_repaired(f, 'treated') for f in known), len(known))}",
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
