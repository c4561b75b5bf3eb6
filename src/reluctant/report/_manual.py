"""The manual pages of rules and remedies: their docstrings, with a head and a foot."""

import inspect

from reluctant.remedies import REMEDIES, Remedy
from reluctant.rules import CAUSES, ENSEMBLE_RULES, RULES, Problem


def one_line(entry: type[Problem] | type[Remedy]) -> str:
    """The first sentence of the docstring, as it stands in a table."""
    return inspect.cleandoc(entry.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def manual_page(entry: type[Problem] | type[Remedy]) -> str:
    """The manual page of a rule or a remedy, as Markdown."""
    body = inspect.cleandoc(entry.__doc__ or "")
    if issubclass(entry, Remedy):
        treats = ", ".join(_called(code) for code in entry.treats)
        return f"# {entry.name()}\n\n*Remedy for {treats}.*\n\n{body}\n"
    head = f"# {entry.name()} ({entry.code})"
    facts = f"*{entry.severity.value} · {entry.status} · since {entry.since}*"
    return "\n\n".join([head, facts, body, *_relations(entry.code)]) + "\n"


def _relations(code: str) -> list[str]:
    """What the rule's problem leads to, what leads to it, and what treats it."""
    effects = [_called(c) for c in CAUSES.get(code, ())]
    causes = [_called(c) for c, into in CAUSES.items() if code in into]
    cures = [f"`{remedy.name()}`" for remedy in REMEDIES if code in remedy.treats]
    lines = [
        f"- {title}: {', '.join(sorted(items))}"
        for title, items in (
            ("Can follow from", causes),
            ("Can lead to", effects),
            ("Treated by", cures),
        )
        if items
    ]
    return ["## Related", "\n".join(lines)] if lines else []


def _called(code: str) -> str:
    known: tuple[type[Problem], ...] = (*RULES, *ENSEMBLE_RULES)
    name = next((rule.name() for rule in known if rule.code == code), "")
    return f"`{name}` ({code})" if name else code
