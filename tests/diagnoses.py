"""Diagnoses written by hand: what a report has to be able to say."""

import math

from reluctant.records import (
    Check,
    Confidence,
    Diagnosis,
    EditSource,
    Evidence,
    Finding,
    Prescription,
    ScaleLearningRate,
    Severity,
)

_CLEAR = tuple(Check(f"GRD{n}", f"rule-{n}", "clear") for n in range(101, 127))
_NEVER = "never measured: step_gain, step_curvature"
_BLIND = (
    Check("HED104", "constant-predictor", "blind", "12 of 50 losses"),
    Check("STP102", "step-near-limit", "blind", _NEVER),
    Check("STP103", "step-too-small", "blind", _NEVER),
    Check("STP104", "oscillating-loss", "blind", _NEVER),
    Check("UNT105", "merged-units", "broken", "ZeroDivisionError: division by zero"),
)

STEP = Finding(
    code="STP101",
    name="step-past-limit",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    message=(
        "the step gauge is 2.61 over 12 batches, above 2, where the average step goes "
        "uphill on its own batch; learning rate 0.1 of SGD"
    ),
    sites=("",),
    since_step=90,
    evidence=(
        Evidence(quantity="step_gauge", site="", step=120, value=2.61, limit=2.0),
        Evidence(quantity="step_gauge", site="", step=90, value=2.05, limit=2.0),
    ),
)
DEAD = Finding(
    code="UNT201",
    name="dead-output-unit",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    message="7 of 10 outputs never fire again, first unit 3, over 76,800 samples",
    sites=("head.2",),
    units={"head.2": (3, 8, 0, 1, 5, 7, 9)},
    since_step=1204,
    evidence=(
        Evidence(
            quantity="preact_max",
            site="head.2",
            step=1500,
            value=-14.25,
            limit=0.0,
            note="0 of 76,800 samples",
        ),
    ),
)
CONSTANT = Finding(
    code="HED101",
    name="constant-predictor",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the outputs differ between samples by 1.3e-09 of their size (limit 0.01)",
    sites=("",),
    since_step=1310,
    evidence=(
        Evidence(quantity="loss", site="", step=1500, value=math.nan, limit=-math.inf),
    ),
)
FROZEN = Finding(
    code="LOP201",
    name="parameter-not-in-optimizer",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="4 of 20 parameters belong to no optimizer, worst stem.0.weight",
    sites=("stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias"),
)
UNSCALED = Finding(
    code="DAT101",
    name="unscaled-input",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="inputs reach 255, 80 times their median of 3.2 (limit 50)",
    sites=("",),
)
LOWER = Prescription(
    remedy="lower-learning-rate",
    cures="STP101",
    changes=(ScaleLearningRate(0.6130268199233717),),
    trust="safe",
    because="0.061 brings the gauge to 1.6, 0.8 of the limit",
    patch="- optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    "+ optimizer = torch.optim.SGD(model.parameters(), lr=0.061)\n",
)
HAND_OVER = Prescription(
    remedy="hand-over-parameters",
    cures="LOP201",
    changes=(
        EditSource(
            before="torch.optim.SGD(net.head.parameters(), lr=0.1)",
            after="torch.optim.SGD(net.parameters(), lr=0.1)",
            where="where the optimizer is built",
        ),
    ),
    trust="advice",
    because="stem.0.weight and 3 others get gradients that nobody applies",
)

SICK = Diagnosis(
    findings=(STEP, DEAD, CONSTANT, FROZEN, UNSCALED),
    explained={"UNT201": "STP101", "HED101": "UNT201"},
    checks=(*_CLEAR, *(Check(f.code, f.name, "found") for f in (STEP, DEAD)), *_BLIND),
    prescriptions=(LOWER, HAND_OVER),
    step=1499,
    training="Classifier",
    notes=("hidden from view: torch.compile", "watching cost 0.7 % of 41 s"),
)
CLEAR = Diagnosis(checks=(*_CLEAR, *_BLIND), step=299, training="Autoencoder")
NOTE_ONLY = Diagnosis(
    findings=(UNSCALED,),
    checks=(*_CLEAR, Check("DAT101", "unscaled-input", "found")),
    step=0,
    training="MLP",
)
EMPTY = Diagnosis(checks=tuple(Check(c.code, c.name, "blind", _NEVER) for c in _CLEAR))
HOSTILE = Diagnosis(
    findings=(
        Finding(
            code="NUM101",
            name="nonfinite-loss",
            severity=Severity.ERROR,
            confidence=Confidence.HIGH,
            message="loss is nan\x1b[31m from\nstep 7 [bold]on[/bold] :warning:",
            sites=(
                "a." * 60 + "weight",
                "\udc80",
            ),
            units={"\udc80": (1,)},
            since_step=7,
        ),
    ),
    step=1_234_567,
    training="evil\nNet",
)

CASES = {
    "sick": (SICK,),
    "clear": (CLEAR,),
    "note-only": (NOTE_ONLY,),
    "empty": (EMPTY,),
    "hostile": (HOSTILE,),
    "several": (CLEAR, SICK),
    "none": (),
}
