"""The map as a page for a person at a terminal."""

import math
from collections.abc import Iterator

from rich.text import Text

from reluctant.diagnosis import diagnose_map
from reluctant.records import Diagnosis, MapSlice, SuccessMap, Threshold
from reluctant.report._page import PLAIN, Page, printable
from reluctant.report._paper import Paper

_LETTERS = {
    "trained": "#",
    "slow": "s",
    "stuck": "k",
    "dead": "x",
    "diverged": "^",
    "raised": "!",
    "hung": "?",
}
_NOT_TRAINED = "\N{MIDDLE DOT}"
_TABLE = 60  # columns before those of the seeds


def render(found: SuccessMap, *, page: Page = PLAIN) -> str:
    """The map as a page for a person at a terminal."""
    paper = Paper(page)
    paper.put(Text.assemble((printable(found.recipe), "bold"), ": where does it fail?"))
    state = "" if found.is_complete else ", broken off"
    way = "full grid" if found.is_full else "adaptive"
    paper.put(
        f"{found.trainings} trainings of a grid of {found.grid} ({way}{state}), "
        f"{found.engine} engine"
    )
    paper.put(f"success ({found.criterion}): {printable(found.meaning)}")
    if len(found.slices) > 1:
        _put_settings(paper, found)
    for part in found.slices:
        if part.runs:
            _put_slice(paper, found, part, max(8, page.width - _TABLE))
    used = {run.outcome for part in found.slices for run in part.runs}
    if used:
        paper.gap()
        legend = [f"{_LETTERS[o]} {o}" for o in _LETTERS if o in used]
        paper.put(", ".join([*legend, f"{_NOT_TRAINED} not trained"]))
    if used:
        _put_diagnosis(paper, diagnose_map(found))
    for note in found.notes:
        paper.gap()
        paper.put(f"note: {printable(note)}")
    return str(paper)


def _put_diagnosis(paper: Paper, d: Diagnosis) -> None:
    """What the trainings show together, and what could not be judged."""
    paper.title("What it shows")
    for finding in d.findings:
        cause = d.explained.get(finding.code)
        under = f", explained by {cause}" if cause else ""
        head = f"{finding.severity.value}: {finding.name} ({finding.code}){under}: "
        paper.item("-", Text(head + printable(finding.message)), 2)
    for rivals in d.rivals:
        paper.item("-", Text(f"not decided: {printable(rivals.trial)}"), 2)
    if d.ruled_out:
        clear = [f"{c.name} ({c.code})" for c in d.ruled_out]
        paper.item("-", Text(f"clear: {', '.join(clear)}"), 2)
    for check in d.blind:
        line = f"could not judge {check.name} ({check.code}): {printable(check.reason)}"
        paper.item("-", Text(line), 2)


def _put_settings(paper: Paper, found: SuccessMap) -> None:
    """One row a setting: where half of the seeds stop to train."""
    paper.gap()
    names = [_setting(part) for part in found.slices]
    wide = max(map(len, names))
    paper.put(Text(f"{'':{wide}}  threshold  interval           predicted", "bold"), 2)
    for name, part in zip(names, found.slices, strict=True):
        t = part.threshold
        row = f"{name:{wide}}  {_number(t.median):9}  {_interval(t):17}"
        paper.put(f"{row}  {_number(t.predicted)}", 2)


def _put_slice(paper: Paper, found: SuccessMap, part: MapSlice, room: int) -> None:
    paper.title(_setting(part) or "by learning rate")
    shown = found.seeds[:room]
    more = f" (first {len(shown)})" if len(shown) < len(found.seeds) else ""
    head = f"{'rate':9} success  95 % interval    n  for one  for 99 %  seeds{more}"
    paper.put(Text(head, "bold"), 2)
    outcomes = {(run.rate, run.seed): run.outcome for run in part.runs}
    limit = part.threshold
    marks = [(limit.median, "threshold"), (limit.predicted, "predicted limit")]
    marks = sorted((at, text) for at, text in marks if math.isfinite(at))
    for cell in part.cells:
        while marks and marks[0][0] < cell.rate:
            at, text = marks.pop(0)
            paper.put(Text(f"{at:<9.3g} {'-' * 8} {text}", "cyan"), 2)
        seeds = "".join(
            _LETTERS.get(outcomes.get((cell.rate, seed), ""), _NOT_TRAINED)
            for seed in shown
        )
        interval = f"{cell.low:4.0%} to {cell.high:4.0%}"
        paper.put(
            f"{cell.rate:<9.4g} {cell.probability:7.0%}  {interval:13}  {cell.n:3}  "
            f"{_count(cell.expected_trainings):>7}  "
            f"{_count(cell.trainings_for_99):>8}  {seeds}",
            2,
        )
    for at, text in marks:
        paper.put(Text(f"{at:<9.3g} {'-' * 8} {text}", "cyan"), 2)
    for line in _verdicts(part):
        paper.put(line, 2)


def _verdicts(part: MapSlice) -> Iterator[str]:
    """What follows from the table, in sentences."""
    t = part.threshold
    sure = f"{t.coverage:.0%} interval" if t.coverage > 0 else "bracket"
    never = sum(seed.low == 0 for seed in t.by_seed)
    if never:
        yield f"{never} of {len(t.by_seed)} seeds succeeded at no rate"
    if t.by_seed and 2 * never < len(t.by_seed):
        value = _number(t.median)
        if math.isnan(t.median):
            value = "not between the rates tried"
        yield (
            f"threshold, the median over seeds of the largest rate that trains: "
            f"{value} ({sure} {_interval(t)}; {t.method})"
        )
    if math.isfinite(t.predicted):
        apart = ""
        if math.isfinite(t.median):
            apart = f", {t.predicted / t.median - 1:+.0%} of the threshold"
        ends = f"{t.predicted_low:.3g} to {t.predicted_high:.3g}"
        yield f"predicted from short trainings: {t.predicted:.3g} ({ends})" + (apart)
    elif t.predicted_note not in ("", "not asked for"):
        yield f"no limit predicted: {printable(t.predicted_note)}"
    odd = [str(seed.seed) for seed in t.by_seed if not seed.is_monotone]
    if odd:
        names = ", ".join(odd[:8]) + (", ..." if len(odd) > 8 else "")
        yield (
            f"{len(odd)} of {len(t.by_seed)} seeds are not monotone, a lower rate "
            f"failed where a higher one succeeded: {names}"
        )
    reasons: dict[str, int] = {}
    for run in part.runs:
        if run.reason:
            reasons[run.reason] = reasons.get(run.reason, 0) + 1
    for reason, count in list(reasons.items())[:3]:
        yield f"{count} failed with: {printable(reason)}"


def _setting(part: MapSlice) -> str:
    return printable(
        ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in part.setting.items())
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _count(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _interval(threshold: Threshold) -> str:
    if threshold.low <= 0:
        return f"below {_number(threshold.high)}"
    if math.isinf(threshold.high):
        return f"above {_number(threshold.low)}"
    return f"{threshold.low:.3g} to {threshold.high:.3g}"
