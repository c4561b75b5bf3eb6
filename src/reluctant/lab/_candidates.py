"""What is worth trying on a training: from what was found, then from what may be."""

from collections.abc import Sequence

from torch import Tensor

from reluctant.diagnosis import diagnose
from reluctant.lab._bench import Rival
from reluctant.lab._map_train import hard_ground
from reluctant.lab._recipe import Training
from reluctant.live import watch
from reluctant.records import (
    Change,
    Confidence,
    Diagnosis,
    EditSource,
    Finding,
    Prescription,
    Prune,
    Restart,
    ScaleDropout,
    ScaleLearningRate,
    Severity,
    StandardizeInput,
    SwapOptimizer,
    Trace,
    WhitenInput,
)
from reluctant.remedies import REMEDIES, Remedy, at_dose

WATCHED = 3000  # steps of the copy that is diagnosed, at most
_BUDGET = 0.5  # of its time that watching may take: no one waits for it
# where nothing was found: what is frozen, if anything; then range and step, then
# weights, then other functions
PROTOCOL = (
    "thaw-parameters",
    "standardize-inputs",
    "lower-learning-rate",
    "raise-learning-rate",
    "use-adam",
    "initialize-from-data",
    "standardize-targets",
    "swap-hidden-activation",
    "zero-outgoing-weights",
    "restart-with-selection",
    "revive-dead-outputs",
    "revive-dead-units",
    "split-merged-units",
    "let-learning-rate-fall",
    "clip-gradients",
    "use-momentum",
    "widen-layers",
    "widen-then-prune",
    "balance-units",
    "shrink-outgoing-weights",
    "leak-hidden-units",
    "smooth-hidden-units",
    "drop-units",
    "repel-alike-units",
)
_UNKNOWN = Finding(
    code="",
    name="does-not-learn",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="whatever was found",
)


def watched(training: Training, steps: int, *, name: str) -> tuple[Diagnosis, Trace]:
    """Train a copy under watch, and say what is wrong; the training stays as it is."""
    copy = training.fork()
    with (
        hard_ground(),
        watch(copy.model, copy.optimizer, budget=_BUDGET, name=name) as run,
    ):

        def look(loss: Tensor) -> None:
            run.loss(loss)

        copy.step(min(steps, WATCHED), look=look)
    return diagnose(run.trace), run.trace


def candidates(
    diagnoses: Sequence[Diagnosis], trace: Trace, *, is_recipe: bool
) -> tuple[list[Prescription], list[Prescription]]:
    """Prescriptions to try, the likeliest first, and those that are advice alone.

    First what is prescribed for what explains the rest, then what else may treat it,
    then the same for all other findings, then what may help whatever the cause is, in
    the order of `PROTOCOL`; each remedy once.
    """
    roots = [f for d in diagnoses for f in d.findings if f.code not in d.explained]
    others = [f for d in diagnoses for f in d.findings if f.code in d.explained]
    wanted: list[Prescription] = []
    for findings in (roots, others):
        codes = {finding.code for finding in findings}
        wanted += [p for d in diagnoses for p in d.prescriptions if p.cures in codes]
        wanted += _that_may(findings, REMEDIES, trace)
    general = sorted(REMEDIES, key=lambda remedy: _place(remedy.name()))
    wanted += _that_may([_UNKNOWN], general, trace)
    if not is_recipe:
        from reluctant.remedies.start_over import StartOver

        restart = StartOver().prescribe(_UNKNOWN, trace)
        wanted += [restart] if restart else []
    tried: dict[str, Prescription] = {}
    advice: dict[str, Prescription] = {}
    for one in wanted:
        is_advice = one.trust == "advice" or any(
            isinstance(change, EditSource) for change in one.changes
        )
        if is_advice:
            advice.setdefault(one.remedy, one)
        elif one.changes and _is_possible(one, is_recipe=is_recipe):
            tried.setdefault(one.remedy, one)
    return list(tried.values()), list(advice.values())


def _that_may(
    findings: Sequence[Finding], remedies: Sequence[type[Remedy]], trace: Trace
) -> list[Prescription]:
    """What remedies prescribe for findings that they may treat."""
    asked = [
        remedy().prescribe(finding, trace)
        for finding in findings
        for remedy in remedies
        if (finding.code or "*") in remedy.may_treat
    ]
    return [one for one in asked if one is not None]


def _place(name: str) -> int:
    return PROTOCOL.index(name) if name in PROTOCOL else len(PROTOCOL)


def catalogue(training: Training, steps: int) -> list[Rival]:
    """Every remedy of the catalogue that needs no finding, for a fresh start."""
    _, trace = watched(training, steps, name="")
    known = [
        one
        for remedy in REMEDIES
        if (one := _unasked(remedy(), trace)) is not None
        and one.trust != "advice"
        and one.changes
        and _is_possible(one, is_recipe=True)
    ]
    return rivals_of(known)


def _unasked(remedy: Remedy, trace: Trace) -> Prescription | None:
    """What a remedy would prescribe without a finding; None if it needs one."""
    try:
        return remedy.prescribe(_UNKNOWN, trace)
    except (KeyError, IndexError):
        return None


def _is_possible(one: Prescription, *, is_recipe: bool) -> bool:
    """A recipe starts over by itself; a live training has no stages yet to come."""
    if is_recipe:
        return not any(isinstance(change, Restart) for change in one.changes)
    return not any(isinstance(c, Prune) and c.after > 0 for c in one.changes)


def joined(first: Rival, second: Rival) -> Rival | None:
    """Two rivals in one, or None where they change the same thing."""
    # what is whitened is standardized: both say what the first layer reads
    same: dict[type, type] = {WhitenInput: StandardizeInput}
    kinds = [{same.get(type(c), type(c)) for c in r.changes} for r in (first, second)]
    if kinds[0] & kinds[1]:
        return None
    ordered = sorted((first, second), key=_order)
    name = " + ".join(rival.name for rival in ordered)
    prescriptions = tuple(p for rival in ordered for p in rival.prescriptions)
    return Rival(name, prescriptions)


def redosed(rival: Rival, times: float, trace: Trace) -> Rival | None:
    """A rival with its rates and factors so many times as large; None if it has none.

    Its name says the dose: what is tried at several of them must be told apart.
    """
    others = [at_dose(one, times, trace) for one in rival.prescriptions]
    if not any(others):
        return None
    taken = [o or one for o, one in zip(others, rival.prescriptions, strict=True)]
    names = [
        f"{one.remedy} {_dose(one.changes[0])}" if other else one.remedy
        for other, one in zip(others, taken, strict=True)
    ]
    return Rival(" + ".join(names), tuple(taken))


def _dose(change: Change) -> str:
    if isinstance(change, SwapOptimizer):
        return f"at {change.rate:g}"
    if isinstance(change, ScaleLearningRate | ScaleDropout):
        return f"by {change.factor:g}"
    return ""


def _order(rival: Rival) -> int:
    """What draws weights anew comes before what works on weights."""
    first = type(rival.changes[0]).__name__
    order = (
        "RestartSelected",
        "Restart",
        "Swap",
        "Standardize",
        "Whiten",
        "Reinitialize",
    )
    return next((i for i, n in enumerate(order) if first.startswith(n)), len(order))


def rivals_of(prescriptions: Sequence[Prescription]) -> list[Rival]:
    """One rival for each."""
    return [Rival(one.remedy, (one,)) for one in prescriptions]
