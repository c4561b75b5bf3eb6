"""Rules by code, by the beginning of a code, or by name."""

import difflib
from collections.abc import Iterable, Sequence

from reluctant.records import UsageError
from reluctant.rules import RULES, Rule


def select_rules(select: Sequence[str], ignore: Sequence[str]) -> list[Rule]:
    """The rules to ask, with their default options.

    Args:
        select: Codes, beginnings of codes or names, also several with commas between
            them. All rules if there are none.
        ignore: Likewise, taken away from those.

    Raises:
        UsageError: If a word matches no rule, or if no rule is left.
    """
    wanted = _matching(select) if select else list(RULES)
    unwanted = _matching(ignore)
    rules = [rule() for rule in wanted if rule not in unwanted]
    if not rules and RULES:
        raise UsageError(
            f"--select {','.join(select) or 'all'} with --ignore {','.join(ignore)} "
            "leaves no rule to ask: take one of them away."
        )
    return rules


def nearest(word: str, known: Iterable[str]) -> str:
    """A known word like this one, as a question; a full stop if there is none."""
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return f"; did you mean {by_fold[close[0]]}?" if close else "."


def _matching(words: Iterable[str]) -> list[type[Rule]]:
    """In the order of the catalogue."""
    found: set[type[Rule]] = set()
    for word in (w.strip() for part in words for w in part.split(",")):
        if not word:
            continue
        matches = {
            rule
            for rule in RULES
            if rule.code.startswith(word.upper()) or rule.name() == word.casefold()
        }
        if not matches:
            known = [x for rule in RULES for x in (rule.code, rule.name())]
            known += sorted({rule.code[:3] for rule in RULES})
            raise UsageError(
                f"no rule {word!r}{nearest(word, known)} `reluctant rules` lists all."
            )
        found |= matches
    return [rule for rule in RULES if rule in found]
