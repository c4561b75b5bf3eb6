"""A treatment as a page for a person at a terminal."""

import math

from rich.text import Text

from reluctant.records import Arm, ArmComparison, TreatmentRecord, Trial
from reluctant.report._changes import words_of
from reluctant.report._page import PLAIN, Page, printable
from reluctant.report._paper import Paper


def render(found: TreatmentRecord, *, page: Page = PLAIN) -> str:
    """What was found, what was tried, what helped, and the patch."""
    paper = Paper(page)
    paper.put(Text.assemble((printable(found.training), "bold"), ": what helps?"))
    root = found.diagnosis.root
    if root is not None:
        paper.put(f"found: {root.name} ({root.code}): {printable(root.message)}", 2)
    else:
        paper.put("found: nothing in the copy that was watched", 2)
    paper.gap()
    paper.put(Text(printable(found.verdict), "bold"))
    if found.confirmation is not None:
        _put_trial(paper, found.confirmation, "on fresh seeds")
    _put_rivals(paper, found)
    if found.patch:
        paper.title("patch")
        for line in found.patch.splitlines():
            paper.code(line, 2)
    if found.changes:
        paper.title("what it changes")
        for change in found.changes:
            paper.put(printable(words_of(change)), 2)
    for note in found.notes:
        paper.gap()
        paper.put(f"note: {printable(note)}")
    return str(paper)


def _put_trial(paper: Paper, trial: Trial, where: str) -> None:
    paper.title(f"{where}: {len(trial.seeds)} pairs of {trial.steps:,} steps")
    paper.put(f"success ({trial.criterion}): {printable(trial.meaning)}", 2)
    _put_arms(paper, trial, trial.arms)
    for note in trial.notes:
        paper.put(f"note: {printable(note)}", 2)


def _put_rivals(paper: Paper, found: TreatmentRecord) -> None:
    """Every rival once, from the round that tried it on most seeds."""
    rows = [(trial, trial.arm(name)) for name, trial in found.by_arm().items()]
    if not rows:
        return
    paper.title("all that were tried")
    rows.sort(key=lambda row: -len(row[1].outcomes))
    _put_head(paper)
    for trial, arm in rows:
        if arm.outcomes:
            _put_arm(paper, arm, trial.against_untreated(arm.name))
    for _, arm in rows:
        if arm.refusal:
            paper.put(f"{arm.name}: not tried: {printable(arm.refusal)}", 2)
        elif not arm.outcomes:
            paper.put(f"{arm.name}: not tried: the budget was used up", 2)


def _put_arms(paper: Paper, trial: Trial, arms: tuple[Arm, ...]) -> None:
    _put_head(paper)
    for arm in arms:
        _put_arm(paper, arm, trial.against_untreated(arm.name))


def _put_head(paper: Paper) -> None:
    head = "succeed   95 % range   won:lost  loss     cost"
    paper.put(Text(head, "bold"), 2)


def _put_arm(paper: Paper, arm: Arm, compared: ArmComparison | None) -> None:
    """Figures first: names of several remedies are of any length."""
    s = arm.success
    pairs = "" if compared is None else f"{compared.wins}:{compared.losses}"
    loss = f"{arm.loss:.3g}" if math.isfinite(arm.loss) else "-"
    verdict = ""
    if compared is not None and compared.verdict != "no difference":
        verdict = f": {compared.verdict}"
    interval = f"{100 * s.low:2.0f} to {100 * s.high:3.0f} %"
    paper.put(
        f"{f'{s.successes} of {s.n}':8}  {interval:11}  {pairs:8}  {loss:7}  "
        f"{arm.cost:4.2g}  {arm.name}{verdict}",
        2,
    )
