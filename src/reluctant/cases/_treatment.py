"""What a treatment found, as a case tells it and as its numbers."""

from typing import Any

from reluctant.records import RESTART, UNTREATED, Arm, Share, TreatmentRecord, Trial

SHOWN = 6  # rivals that a story names


def share_of(share: Share) -> dict[str, Any]:
    """A success rate with its interval, as JSON holds it."""
    return {
        "p": share.p if share.n else None,
        "successes": share.successes,
        "n": share.n,
        "interval": [share.low, share.high],
    }


def numbers_of(record: TreatmentRecord) -> dict[str, Any]:
    """The winner with its proof, and every rival with its figures."""
    trial, found = record.confirmation, record.diagnosis.findings
    proof = {}
    if trial is not None:
        names = {UNTREATED: UNTREATED, RESTART: RESTART, "treated": record.winner}
        proof = {k: share_of(trial.arm(n).success) for k, n in names.items() if n}
    return {
        "diagnosis": found[0].name if found else None,
        "winner": record.winner or None,
        "verdict": record.verdict,
        "success": proof,
        "rivals": {
            arm.name: {
                **share_of(arm.success),
                "median_loss": arm.loss,
                "refusal": arm.refusal,
            }
            for arm in _arms(record)
        },
        "patch": record.patch,
        "notes": list(record.notes),
    }


def sentence(record: TreatmentRecord) -> str:
    """The verdict, and how the others did."""
    arms = [
        arm
        for arm in _arms(record)
        if arm.outcomes and arm.name not in (record.winner, UNTREATED)
    ]
    arms.sort(key=lambda arm: -arm.success.p)
    told = [
        f"{arm.name} {arm.success.successes} of {arm.success.n}"
        for arm in arms[:SHOWN]
        if arm.success.successes
    ]
    rest = len(arms) - len(told)
    if rest:
        never = not any(arm.success.successes for arm in arms[len(told) :])
        told.append(f"{rest} more {'on none' if never else 'more rarely'}")
    return (
        f"{record.verdict} Of what else was tried, on the seeds by which it was "
        f"chosen: {'; '.join(told)}."
    )


def repaired(trial: Trial, winner: str) -> Share:
    """Of the pairs whose untreated training failed, how many the winner saved."""
    from reluctant.stats import wilson_interval

    lost = {o.seed for o in trial.arm(UNTREATED).outcomes if not o.success}
    saved = [o.success for o in trial.arm(winner).outcomes if o.seed in lost]
    return Share(sum(saved), len(saved), *wilson_interval(sum(saved), len(saved)))


def _arms(record: TreatmentRecord) -> list[Arm]:
    """Every arm once, as it was on most seeds."""
    return [trial.arm(name) for name, trial in record.by_arm().items()]
