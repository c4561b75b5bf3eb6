"""What is worth trying on a training: from what was found, then from what may be."""

from collections.abc import Sequence

from torch import Tensor

from reluctant.diagnosis import diagnose
from reluctant.lab._bench import Rival
from reluctant.lab._map_train import hard_ground
from reluctant.lab._recipe import Training
from reluctant.live import watch
from reluctant.records import (
    Confidence,
    Diagnosis,
    EditSource,
    Finding,
    Prescription,
    Prune,
    Restart,
    Severity,
    Trace,
)
from reluctant.remedies import REMEDIES, Remedy

WATCHED = 3000  # steps of the copy that is diagnosed, at most
_BUDGET = 0.5  # of its time that watching may take: no one waits for it
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

    First what the diagnoses prescribe, then what may treat its findings, then what
    may help whatever the cause is; each remedy once.
    """
    wanted = [one for diagnosis in diagnoses for one in diagnosis.prescriptions]
    found = [one for diagnosis in diagnoses for one in diagnosis.findings]
    for finding in (*found, _UNKNOWN):
        code = finding.code or "*"
        for remedy in REMEDIES:
            if code in remedy.may_treat:
                one = remedy().prescribe(finding, trace)
                if one is not None:
                    wanted.append(one)
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
    kinds = [{type(c) for c in r.changes} for r in (first, second)]
    if kinds[0] & kinds[1]:
        return None
    ordered = sorted((first, second), key=_order)
    name = " + ".join(rival.name for rival in ordered)
    prescriptions = tuple(p for rival in ordered for p in rival.prescriptions)
    return Rival(name, prescriptions)


def _order(rival: Rival) -> int:
    """What draws weights anew comes before what works on weights."""
    first = type(rival.changes[0]).__name__
    order = ("RestartSelected", "Restart", "Swap", "Standardize", "Reinitialize")
    return next((i for i, n in enumerate(order) if first.startswith(n)), len(order))


def rivals_of(prescriptions: Sequence[Prescription]) -> list[Rival]:
    """One rival for each."""
    return [Rival(one.remedy, (one,)) for one in prescriptions]
