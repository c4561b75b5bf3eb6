"""From what was said of every run to the figures of the table."""

from collections.abc import Iterable, Sequence

import msgspec

from corpus._recipes import Recipe
from corpus._watched import Said
from reluctant.stats import wilson_interval


class Share(msgspec.Struct, frozen=True):
    """So many of so many runs."""

    count: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "     –"
        low, high = wilson_interval(self.count, self.of)
        return (
            f"{self.count:3d}/{self.of:<3d} {self.count / self.of:4.0%} "
            f"[{low:.0%}, {high:.0%}]"
        )

    @property
    def value(self) -> float:
        """The share; nan of none."""
        return self.count / self.of if self.of else float("nan")


class RuleFigures(msgspec.Struct, frozen=True):
    """One rule over the corpus.

    Attributes:
        found: Of the runs of whose fault it is the name, how many it told.
        headline: Of the same, how many had a right headline.
        right: Of the runs of which it was the headline, how many rightly.
        healthy: Of the healthy and repaired runs, how many it told.
    """

    found: Share
    headline: Share
    right: Share
    healthy: Share


class Figures(msgspec.Struct, frozen=True):
    """All figures of one table; `said` is what they were counted from."""

    overall: dict[str, Share]
    rules: dict[str, RuleFigures]
    said: tuple[Said, ...]


# what is better when it is lower; the others are better when they are higher
ALARMS = ("healthy runs with an alarm", "repaired runs with an alarm")


def figures(said: Sequence[Said], known: Iterable[Recipe]) -> Figures:
    """Count."""
    recipes = {r.name: r for r in known}
    faulty = [s for s in said if s.variant == "faulty"]
    others = [s for s in said if s.variant != "faulty"]

    def right(s: Said) -> frozenset[str]:
        return recipes[s.recipe].right if s.variant == "faulty" else frozenset()

    headed = [s for s in said if s.root]
    overall = {
        "faulty runs with any finding": _share(bool(s.told) for s in faulty),
        "true cause among the findings": _share(
            bool(right(s) & set(s.told)) for s in faulty
        ),
        "true cause is the headline": _share(s.root in right(s) for s in faulty),
        "headlines that are right": _share(s.root in right(s) for s in headed),
        ALARMS[0]: _share(bool(s.told) for s in others if s.variant == "healthy"),
        ALARMS[1]: _share(bool(s.told) for s in others if s.variant == "repaired"),
    }
    names = sorted({recipes[s.recipe].cause for s in faulty}.union(*map(_told, said)))
    rules = {}
    for name in names:
        mine = [s for s in faulty if recipes[s.recipe].cause == name]
        rules[name] = RuleFigures(
            found=_share(name in s.told for s in mine),
            headline=_share(s.root in right(s) for s in mine),
            right=_share(s.root in right(s) for s in said if s.root == name),
            healthy=_share(name in s.told for s in others),
        )
    return Figures(overall, rules, tuple(said))


def _told(said: Said) -> tuple[str, ...]:
    return said.told


def _share(truths: Iterable[bool]) -> Share:
    truths = list(truths)
    return Share(sum(truths), len(truths))


def table(figures: Figures) -> list[str]:
    """The figures, as lines."""
    lines = [f"{name:34s} {share}" for name, share in figures.overall.items()]
    head = "rule", "told", "headline right", "right headlines", "false alarms"
    lines += ["", f"{head[0]:28s}" + "".join(f"{h:26s}" for h in head[1:])]
    for name, rule in figures.rules.items():
        cells = rule.found, rule.headline, rule.right, rule.healthy
        lines.append(f"{name:28s}" + "".join(f"{c!s:26s}" for c in cells).rstrip())
    return lines


def wrong(figures: Figures, known: Iterable[Recipe]) -> list[str]:
    """Every run of which something wrong was said, a line each, grouped by cause."""
    recipes = {r.name: r for r in known}
    lines = []
    for s in sorted(figures.said, key=lambda s: (recipes[s.recipe].cause, s.recipe)):
        recipe = recipes[s.recipe]
        run = f"{s.recipe} ({s.variant}, seed {s.seed})"
        rest = f"; told {', '.join(s.told) or 'nothing'}"
        if s.variant == "faulty" and s.root not in recipe.right:
            lines.append(f"  {recipe.cause}: {run}: said {s.root or 'nothing'}{rest}")
        elif s.variant != "faulty" and s.told:
            lines.append(f"  false alarm: {run}: {', '.join(s.told)}: {s.message}")
        lines += [f"  broken: {run}: {broken}" for broken in s.broken]
    return lines


# runs at the edge of a limit fall on either side of it on another machine, or on this
# one when it is busy: how many gauges are taken depends on what they cost
NOISE = 0.03


def difference(before: Figures, now: Figures) -> tuple[list[str], list[str]]:
    """What changed, and which figures fell, as lines."""
    changed, fell = [], []
    for name, share in now.overall.items():
        old = before.overall.get(name)
        if old is None or old == share or not (share.of and old.of):
            continue
        changed.append(f"  {name}: {old}  ->  {share}")
        worse = share.value - old.value if name in ALARMS else old.value - share.value
        if worse > NOISE:
            fell.append(changed[-1])
    olds = {(s.recipe, s.variant, s.seed): s for s in before.said}
    for s in now.said:
        old_said = olds.pop((s.recipe, s.variant, s.seed), None)
        run = f"{s.recipe} ({s.variant}, seed {s.seed})"
        if old_said is None:
            changed.append(f"  new: {run}: {s.root or 'nothing'}")
        elif old_said.told != s.told:
            a, b = (", ".join(x.told) or "nothing" for x in (old_said, s))
            changed.append(f"  {run}: {a}  ->  {b}")
    changed += [f"  gone: {r} ({v}, seed {k})" for r, v, k in olds]
    return changed, fell
