"""Tested claims as one Markdown page, a table and a figure each."""

from collections.abc import Iterator, Sequence

from reluctant.records import ClaimArm, ClaimResult, Verdict

_WHAT: dict[Verdict, str] = {
    "upheld": "it holds in every setting",
    "refuted": "it holds in none",
    "depends": "it holds in some, or in part",
    "not settled": "the trials cannot tell",
}
_HOLDS = {"yes": "yes", "partly": "in part", "no": "no", "open": "cannot tell"}


def render(
    results: Sequence[ClaimResult], *, head: str = "", pictures: str = ""
) -> str:
    """Markdown: a summary of all verdicts, then one section a claim.

    Args:
        results: In reading order.
        head: A paragraph under the title: what was run, and how.
        pictures: Folder of the figures as the page links them, `NAME.png` in it; `""`
            for none.
    """
    return "\n".join(_lines(results, head, pictures)) + "\n"


def in_one_line(result: ClaimResult) -> str:
    """The verdict of one claim, for a terminal."""
    held = sum(c.holds == "yes" for c in result.comparisons)
    return (
        f"{result.verdict:12} {result.name}: {result.claim} "
        f"({held} of {len(result.comparisons)} settings)"
    )


def _lines(results: Sequence[ClaimResult], head: str, pictures: str) -> Iterator[str]:
    yield from ("# Advice, tested", "")
    if head:
        yield from (head, "")
    yield (
        "Each claim was given as advice in one of the [four threads](cases.md). The "
        "same starts, data and random numbers are trained with and without it; a "
        "claim holds in a setting if the 95 % interval of the paired difference is on "
        "its side and the effect is as large as claimed."
    )
    yield ""
    yield from ("| verdict | claim | holds in |", "|---|---|---|")
    for r in results:
        held = sum(c.holds == "yes" for c in r.comparisons)
        yield (
            f"| **{r.verdict}** | [{r.claim}](#{r.name}) | {held} of "
            f"{len(r.comparisons)} settings |"
        )
    yield ""
    yield "; ".join(f"*{v}*: {what}" for v, what in _WHAT.items()) + "."
    for r in results:
        yield from _section(r, pictures)


def _section(r: ClaimResult, pictures: str) -> Iterator[str]:
    yield from ("", f"## {r.name}", "", f"> {r.claim}", "")
    yield from (f"**{r.verdict.capitalize()}** (`{r.case}`): {_WHAT[r.verdict]}.", "")
    yield from (f"Tested on {r.population}. Measured: {r.measure}.", "")
    yield from ("| setting | trained | difference | holds |", "|---|---|---|---|")
    for c in r.comparisons:
        arms = "<br>".join(_arm(arm, r.is_share) for arm in c.arms)
        yield f"| {c.setting} | {arms} | {c.told} | {_HOLDS[c.holds]} |"
    if r.remark:
        yield from ("", r.remark)
    if pictures:
        yield from ("", f"![{r.figure.title}]({pictures}/{r.figure.name}.png)")


def _arm(arm: ClaimArm, is_share: bool) -> str:
    if is_share:
        ends = f"{arm.low:.0%}–{arm.high:.0%}"
        return f"{arm.label}: {arm.value:.0%} of {arm.n} ({ends})"
    ends = f"{arm.low:.3g}–{arm.high:.3g}"
    return f"{arm.label}: {arm.value:.3g} ({ends}), {arm.n} trainings"
