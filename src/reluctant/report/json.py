"""The diagnosis for other programs; `docs/json.md` documents every key."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from reluctant.records import Check, Diagnosis, Finding
from reluctant.report._page import PLAIN, Page, worst_first
from reluctant.report._plain import plain

SCHEMA = "reluctant.diagnosis/1"


def render(diagnoses: Sequence[Diagnosis], *, page: Page = PLAIN) -> str:
    """Render one JSON document, in ASCII; nan and ±inf are strings in it.

    Args:
        diagnoses: One for each training. The document is that of the training with
            the worst root cause; under `"trainings"` are all of them, in this order.
        page: Not looked at: the document is the same on any page.
    """
    del page  # every format takes one
    worst = worst_first(diagnoses)[0] if diagnoses else None
    document = document_of(worst) if worst else document_of(Diagnosis(), training=None)
    document["trainings"] = [document_of(d) for d in diagnoses]
    return json.dumps(plain(document), indent=2, allow_nan=False) + "\n"


def document_of(diagnosis: Diagnosis, **known: Any) -> dict[str, Any]:
    """One diagnosis as a JSON object; `known` takes the place of what it says."""
    d = diagnosis
    return {
        "schema": SCHEMA,
        "training": d.training,
        "last_step": d.step,
        "root": _finding(d.root, d) if d.root else None,
        "findings": [_finding(finding, d) for finding in d.findings],
        "ruled_out": [_check(check) for check in d.ruled_out],
        "blind": [{**_check(c), "outcome": c.outcome} for c in d.blind],
        "prescriptions": [_builtins(p) for p in d.prescriptions],
        "notes": list(d.notes),
        "exams": [_builtins(exam) for exam in d.exams],
        "rivals": [_builtins(rivals) for rivals in d.rivals],
        **known,
    }


def _finding(finding: Finding, diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "sites": list(finding.sites),
        "units": {site: list(ids) for site, ids in finding.units.items()},
        "since_step": finding.since_step,
        "message": finding.message,
        "evidence": [msgspec.structs.asdict(e) for e in finding.evidence],
        "certificates": [_builtins(c) for c in finding.certificates],
        "explained_by": diagnosis.explained.get(finding.code),
    }


def _check(check: Check) -> dict[str, Any]:
    return {"code": check.code, "name": check.name, "reason": check.reason}


def _builtins(record: msgspec.Struct) -> Any:
    return msgspec.to_builtins(record, enc_hook=plain)  # the hook sees numpy's numbers
