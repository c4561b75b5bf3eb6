"""Lines on a terminal: indented, wrapped between words, colored if wanted."""

import io

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.report._page import Page

KEEP = "\ue000"  # stands for a space at which no line is broken
_LEAST_WIDTH = 40  # columns; a narrower window scrolls


class Paper:
    """Text that is written line by line, then taken as one string."""

    def __init__(self, page: Page) -> None:
        self._text = io.StringIO()
        self._console = Console(
            file=self._text,
            width=max(page.width, _LEAST_WIDTH),
            force_terminal=page.color,
            color_system="standard" if page.color else None,
            legacy_windows=False,
            no_color=not page.color,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def __str__(self) -> str:
        lines = self._text.getvalue().replace(KEEP, " ").splitlines()
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def put(self, text: RenderableType, indent: int = 0) -> None:
        """A paragraph."""
        self._console.print(Padding(text, (0, 0, 0, indent), expand=False))

    def title(self, text: str, indent: int = 0) -> None:
        """A heading, with an empty line before it."""
        self._console.print()
        self.put(Text(text, "bold"), indent)

    def gap(self) -> None:
        """An empty line."""
        self._console.print()

    def item(self, mark: str, text: Text, indent: int = 0) -> None:
        """A mark, and the text beside it, also where it wraps."""
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(mark, text)
        self.put(row, indent)

    def code(self, line: str, indent: int) -> None:
        """A line of source, never wrapped: it is there to be copied."""
        color = {"+": "green", "-": "red"}.get(line[:1], "cyan")
        self._console.print(Text(" " * indent + line, color), soft_wrap=True)
