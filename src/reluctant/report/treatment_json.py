"""A treatment for other programs; `docs/treat.md` documents every key."""

import json
from typing import Any

import msgspec

from reluctant.records import RESTART, UNTREATED, TreatmentRecord, Trial
from reluctant.report._plain import plain
from reluctant.report.json import document_of

SCHEMA = "reluctant.treatment/1"


def treatment_to_json(found: TreatmentRecord) -> str:
    """One JSON document, in ASCII; nan and ±inf are strings in it."""
    trial = found.confirmation or (found.rounds[-1] if found.rounds else None)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "training": found.training,
        "verdict": found.verdict,
        "winner": found.winner or None,
        "success": successes_of(trial, found.winner) if trial else {},
        "changes": msgspec.to_builtins(found.changes),
        "patch": found.patch,
        "diagnosis": document_of(found.diagnosis),
        "rounds": [msgspec.to_builtins(trial) for trial in found.rounds],
        "confirmation": msgspec.to_builtins(found.confirmation),
        "notes": list(found.notes),
    }
    return json.dumps(plain(document), indent=2, allow_nan=False) + "\n"


def successes_of(trial: Trial, winner: str) -> dict[str, Any]:
    """How often the untreated, the restarted and the treated succeed."""
    names = {UNTREATED: UNTREATED, RESTART: RESTART}
    if winner:
        names["treated"] = winner
    found = {}
    for key, name in names.items():
        share = trial.arm(name).success
        found[key] = {
            "p": share.p if share.n else None,
            "successes": share.successes,
            "n": share.n,
            "interval": [share.low, share.high],
        }
    return found
