"""`reluctant rules`."""

import sys

from rich.console import Console
from rich.table import Table

from reluctant.cli._output import page_for, say
from reluctant.report import one_line
from reluctant.rules import ENSEMBLE_RULES, RULES, Problem

_COLUMNS = ("code", "name", "severity", "status", "what")


def rules() -> None:
    """List all rules, one a line where the list is piped."""
    entries: tuple[type[Problem], ...] = (*RULES, *ENSEMBLE_RULES)
    rows = [
        (rule.code, rule.name(), rule.severity.value, rule.status, one_line(rule))
        for rule in sorted(entries, key=lambda entry: entry.code)
    ]
    if not sys.stdout.isatty():
        say("".join("\t".join(row) + "\n" for row in (_COLUMNS, *rows)), sys.stdout)
        return
    page = page_for(sys.stdout)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=column != "what")
    for row in rows:
        table.add_row(*row)
    Console(width=page.width, no_color=not page.color, markup=False).print(table)
