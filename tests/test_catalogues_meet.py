"""Rules, probes and remedies never import each other; here is that they fit."""

import re
from pathlib import Path

from reluctant.records import Quantity, quantities
from reluctant.remedies import REMEDIES
from reluctant.rules import RULES

CONSTANTS = {k: v for k, v in vars(quantities).items() if isinstance(v, Quantity)}
SOURCE = Path(quantities.__file__).parents[1]


def named_in(*folders: str) -> set[str]:
    text = "\n".join(p.read_text() for f in folders for p in (SOURCE / f).rglob("*.py"))
    return {name for name in CONSTANTS if re.search(rf"\b{name}\b", text)}


def test_whatever_a_rule_reads_is_measured_somewhere() -> None:
    assert named_in("rules") <= named_in("probes", "live", "lab")


def test_whatever_a_rule_needs_is_a_quantity() -> None:
    assert {q for rule in RULES for q in rule.needs} <= set(CONSTANTS.values())


def test_whatever_a_remedy_treats_some_rule_finds() -> None:
    assert {c for r in REMEDIES for c in r.treats} <= {rule.code for rule in RULES}


def test_every_root_cause_has_a_remedy_or_is_a_consequence() -> None:
    treated = {c for r in REMEDIES for c in r.treats}
    consequences = {"FIT101", "GRD102", "HED101", "UNT101", "UNT102"}
    # how a run ended, and what its shape makes likely: notes, no faults
    consequences |= {"FIT201", "FIT501", "INI501", "STP102"}
    assert {rule.code for rule in RULES} == treated | consequences


def test_quantities_are_sorted_and_named_like_their_constants() -> None:
    names = [q.name for q in CONSTANTS.values()]
    assert names == sorted(set(names))
    assert all(key == q.name.upper() for key, q in CONSTANTS.items())
