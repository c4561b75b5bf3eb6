"""A case told to a person at a terminal."""

from collections.abc import Sequence

from rich.text import Text

from reluctant.report._page import PLAIN, Page, printable
from reluctant.report._paper import Paper


def render(name: str, summary: str, story: Sequence[str], *, page: Page = PLAIN) -> str:
    """Render a title and paragraphs.

    Args:
        name: Of the case.
        summary: What it is about, as one clause.
        story: Paragraphs.
        page: Width and color.
    """
    paper = Paper(page)
    paper.put(Text.assemble((name, "bold"), f": {summary}"))
    for paragraph in story:
        paper.gap()
        paper.put(printable(paragraph))
    return str(paper)
