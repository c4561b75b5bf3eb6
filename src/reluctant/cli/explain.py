"""`reluctant explain NAME`."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from reluctant.cli._output import page_for, say
from reluctant.cli._selection import nearest
from reluctant.records import UsageError
from reluctant.remedies import REMEDIES, Remedy
from reluctant.report import manual_page
from reluctant.rules import ENSEMBLE_RULES, RULES, Problem


def explain(
    name: Annotated[
        str, typer.Argument(metavar="CODE|NAME", help="Of a rule, or of a remedy.")
    ],
) -> None:
    """Print the manual page of a rule or a remedy.

    Into a pipe or a file the page goes as Markdown.
    """
    page = manual_page(_find(name))
    seen = page_for(sys.stdout)
    if not sys.stdout.isatty():
        say(page, sys.stdout)
        return
    console = Console(width=seen.width, no_color=not seen.color)
    console.print(Markdown(page))


def _find(word: str) -> type[Problem] | type[Remedy]:
    entries: dict[str, type[Problem] | type[Remedy]] = {r.name(): r for r in REMEDIES}
    known_rules: tuple[type[Problem], ...] = (*RULES, *ENSEMBLE_RULES)
    entries |= {rule.code: rule for rule in known_rules}
    entries |= {rule.name(): rule for rule in known_rules}
    folded = {known.casefold(): entry for known, entry in entries.items()}
    entry = folded.get(word.casefold())
    if entry is None:
        raise UsageError(
            f"no rule or remedy {word!r}{nearest(word, entries)} "
            "`reluctant rules` lists all."
        )
    return entry
