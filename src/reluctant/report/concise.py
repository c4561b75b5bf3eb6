"""One line for each finding, root cause first, for grep and for CI."""

from collections.abc import Sequence

from reluctant.records import Diagnosis, Finding
from reluctant.report._page import PLAIN, Page, counts, printable, worst_first


def line(finding: Finding, training: str) -> str:
    """One finding on one line, without the line break.

    `MLP: UNT201 dead-output-unit [error, high confidence] since step 90: <message>`
    """
    return (
        f"{printable(training)}: {finding.code} {finding.name} "
        f"[{finding.severity.value}, {finding.confidence.value} confidence] "
        f"since step {finding.since_step:,}: {printable(finding.message)}"
    )


def render(diagnoses: Sequence[Diagnosis], *, page: Page = PLAIN) -> str:
    """Render one line a finding and one line a training with the count of rules.

    Args:
        diagnoses: One for each training.
        page: Not looked at: a line is as long as it is.
    """
    del page  # every format takes one
    if not diagnoses:
        return "no training was recorded\n"
    lines = [
        text
        for d in worst_first(diagnoses)
        for text in (
            *(line(finding, d.training) for finding in d.findings),
            f"{printable(d.training)}: {counts(d)}",
        )
    ]
    return "\n".join(lines) + "\n"
