"""Write the pages that follow from the code: rules, remedies, quantities, commands.

`make docs` runs it; a test compares what it would write with what is committed.
"""

import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from reluctant.cli import main
from reluctant.cli._app import app
from reluctant.records import Quantity, quantities
from reluctant.remedies import REMEDIES
from reluctant.report import manual_page, one_line
from reluctant.rules import ENSEMBLE_RULES, RULES, Problem
from reluctant.stats import wilson_interval

DOCS = Path(__file__).parent
PROBLEMS: tuple[type[Problem], ...] = tuple(
    sorted((*RULES, *ENSEMBLE_RULES), key=lambda entry: entry.code)
)
FAMILIES = {
    "DAT": "Data",
    "ENS": "Ensembles, read off a map",
    "FIT": "Outcome",
    "GRD": "Gradient",
    "HED": "Head and loss",
    "INI": "Initial state",
    "LOP": "Training loop",
    "NUM": "Numerics",
    "STP": "Step size",
    "UNT": "Units",
}


def pages() -> dict[Path, str]:
    """Every generated page, by path under `docs/`."""
    made = {
        Path("rules/index.md"): _index(),
        Path("quantities.md"): _quantities(),
        Path("commands.md"): _commands(),
    }
    for entry in (*PROBLEMS, *REMEDIES):
        made[Path(f"rules/{entry.name()}.md")] = _linked(manual_page(entry))
    for rule in RULES:
        made[Path(f"rules/{rule.name()}.md")] += _measured(rule.name())
    return made


def stale() -> list[Path]:
    """Generated pages that are missing, out of date, or of rules that are gone."""
    made = pages()
    there = {f.relative_to(DOCS) for f in (DOCS / "rules").glob("*.md")}
    wrong = [p for p, text in made.items() if _text(DOCS / p) != text]
    return sorted({*wrong, *(there - made.keys())})


def write() -> None:
    """Write what is out of date, delete what is left over."""
    made = pages()
    for path in stale():
        if path in made:
            (DOCS / path).parent.mkdir(exist_ok=True)
            (DOCS / path).write_text(made[path], "utf-8")
        else:
            (DOCS / path).unlink()


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None


def _measured(rule: str) -> str:
    """What the recorded table of the corpus says of a rule, "" if nothing."""
    table = json.loads((DOCS.parent / "corpus" / "table.json").read_text("utf-8"))
    if (figures := table["rules"].get(rule)) is None:
        return ""
    told, alarms, right = figures["found"], figures["healthy"], figures["right"]
    lines = ["", "## Measured on the corpus", ""]
    if told["of"]:
        low, high = wilson_interval(told["count"], told["of"])
        lines += [
            f"- Of {told['of']} runs with this fault it was told in {told['count']} "
            f"({low:.0%} to {high:.0%} with 95 % confidence)."
        ]
    low, high = wilson_interval(alarms["count"], alarms["of"])
    lines += [
        f"- Of {alarms['of']} runs without a fault it was told in {alarms['count']} "
        f"({low:.1%} to {high:.1%})."
    ]
    if right["of"]:
        lines += [f"- It was the headline of {right['of']}, {right['count']} rightly."]
    return "\n".join(lines) + "\n"


def _index() -> str:
    lines = ["# Rules", "", "Codes are for ever; names say what is wrong.", ""]
    for family in sorted({rule.code[:3] for rule in PROBLEMS}):
        lines += [
            f"## {FAMILIES.get(family, family)} ({family})",
            "",
            "| code | name | severity | what |",
            "|---|---|---|---|",
            *(
                f"| {r.code} | [{r.name()}]({r.name()}.md) | {r.severity.value} "
                f"| {_cell(one_line(r))} |"
                for r in PROBLEMS
                if r.code.startswith(family)
            ),
            "",
        ]
    lines += ["## Remedies", "", "| name | treats | what |", "|---|---|---|"]
    lines += [
        f"| [{r.name()}]({r.name()}.md) | {', '.join(r.treats)} "
        f"| {_cell(one_line(r))} |"
        for r in REMEDIES
    ]
    return "\n".join(lines) + "\n"


def _quantities() -> str:
    known = [q for q in vars(quantities).values() if isinstance(q, Quantity)]
    rows = "\n".join(
        f"| `{q.name}` | {q.unit} | {q.per} | {_cell(q.meaning)} |" for q in known
    )
    return (
        "# Quantities\n\n"
        "Everything that is measured, and how to compute it by hand.\n\n"
        f"| name | unit | one value per | meaning |\n|---|---|---|---|\n{rows}\n"
    )


def _commands() -> str:
    os.environ["COLUMNS"] = "80"  # help is wrapped to the terminal
    parts = [_text(DOCS / "_commands_head.md") or "# Commands\n"]
    names = [c.name or c.callback.__name__ for c in app.registered_commands]
    for command in ("", *names):
        out = io.StringIO()
        with redirect_stdout(out):
            main([*command.split(), "--help"])
        title = f"reluctant {command}".strip()
        parts.append(f"## {title}\n\n```text\n{out.getvalue().strip()}\n```\n")
    return "\n".join(parts)


def _linked(page: str) -> str:
    """Names of rules and remedies in the last section become links."""
    known = {entry.name() for entry in (*PROBLEMS, *REMEDIES)}
    head, sep, related = page.rpartition("## Related")
    related = re.sub(
        r"`([a-z-]+)`",
        lambda m: f"[{m[1]}]({m[1]}.md)" if m[1] in known else m[0],
        related,
    )
    return head + sep + related if sep else page


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if "--check" in sys.argv:
        wrong = ", ".join(map(str, stale()))
        sys.exit(f"out of date, run `make docs`: {wrong}" if wrong else 0)
    write()
