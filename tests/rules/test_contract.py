"""What every rule owes, whichever it is. A new rule is under this test by existing."""

import dataclasses
import importlib
import inspect
import math
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import reluctant.rules
from builders import trace_of
from reluctant.diagnosis import diagnose
from reluctant.records import Layer, Parameter, Quantity, Setup, Trace, quantities
from reluctant.rules import CAUSES, ENSEMBLE_RULES, RULES, Problem, Rule

SECTIONS = [
    "Why it stops training",
    "How it is measured",
    "Sick",
    "Healthy",
    "Blind spots",
    "Options",
    "References",
]
CODES = [rule.code for rule in RULES]
ALL: tuple[type[Problem], ...] = (*RULES, *ENSEMBLE_RULES)
ALL_CODES = [rule.code for rule in ALL]
each_rule = pytest.mark.parametrize("rule", RULES, ids=CODES)
each_problem = pytest.mark.parametrize("rule", ALL, ids=ALL_CODES)


def page(rule: type[Problem]) -> str:
    return inspect.cleandoc(rule.__doc__ or "")


def everything(value: float, steps: int = 60) -> Trace:
    """Every quantity at every kind of place, always the same value."""
    sites = {
        "run": [""],
        "output": [""],
        "feature": [""],
        "group": ["group0"],
        "layer": ["a", "b"],
    }
    sites |= {"param": ["a.weight", "b.weight"], "unit": ["a", "b"]}
    runs = {
        q.name: {
            s: [[value] * 4 if q.per in ("unit", "output", "feature") else value]
            * steps
            for s in sites[q.per]
        }
        for q in vars(quantities).values()
        if isinstance(q, Quantity)
    }
    layers = tuple(
        Layer(
            site=s, activation="relu", units=4, weight=f"{s}.weight", is_head=s == "b"
        )
        for s in "ab"
    )
    weights = tuple(Parameter(name=f"{s}.weight", shape=(4, 4), std=0.5) for s in "ab")
    return trace_of(
        setup=Setup(layers=layers, parameters=weights, batch_size=4), **runs
    )


def test_every_file_is_one_rule_in_the_catalogue() -> None:
    walk = pkgutil.walk_packages(reluctant.rules.__path__, "reluctant.rules.")
    files = [
        m.name
        for m in walk
        if not m.ispkg and not m.name.split(".")[-1].startswith("_")
    ]
    assert sorted(r.__module__ for r in ALL) == sorted(files)


def test_codes_are_unique_and_sorted() -> None:
    assert sorted(set(CODES)) == CODES
    assert len(set(ALL_CODES)) == len(ALL_CODES)


def test_causes_name_rules_that_exist_and_none_causes_itself() -> None:
    named = {code for cause, effects in CAUSES.items() for code in (cause, *effects)}
    assert named <= set(ALL_CODES)
    assert all(cause not in effects for cause, effects in CAUSES.items())


@each_problem
def test_is_named_like_its_file(rule: type[Problem]) -> None:
    assert rule.__module__.split(".")[-1] == rule.name().replace("-", "_")
    module = importlib.import_module(rule.__module__)
    assert module.__doc__ == f"{rule.code} {rule.name()}."
    assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.code)


@each_problem
def test_manual_page_is_complete(rule: type[Problem]) -> None:
    assert re.findall(r"^## (.+)$", page(rule), re.M) == SECTIONS
    listed = page(rule).split("## Options")[1].split("##")[0]
    options = re.findall(r"^- `(\w+)`:", listed, re.M)
    assert options == [f.name for f in dataclasses.fields(rule)]  # type: ignore[arg-type]


@each_problem
def test_mentions_only_codes_that_exist(rule: type[Problem]) -> None:
    assert set(re.findall(r"\b[A-Z]{3}\d{3}\b", page(rule))) <= set(ALL_CODES)


@each_problem
def test_citations_resolve(rule: type[Problem]) -> None:
    bib = (Path(__file__).parents[2] / "docs/references.bib").read_text()
    known = set(re.findall(r"^@\w+\{(\w+),", bib, re.M))
    cited = set(re.findall(r"\[([A-Z]\w+\d{4}|PyTorch\w+)\]", page(rule)))
    assert cited <= known
    assert "[" in page(rule).split("## References")[1]


@each_problem
def test_sick_and_healthy_differ_in_one_line(rule: type[Problem]) -> None:
    sick, healthy = (
        block.strip().splitlines()
        for block in re.findall(r"```python\n(.+?)```", page(rule), re.S)
    )
    assert len(sick) == len(healthy)
    assert sum(a != b for a, b in zip(sick, healthy, strict=True)) == 1


@each_problem
def test_is_frozen_and_needs_no_arguments(rule: type[Problem]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule().code = "X"  # type: ignore[misc]


@each_rule
def test_is_blind_on_nothing(rule: type[Rule]) -> None:
    (check,) = diagnose(Trace(), [rule()]).checks
    assert check.outcome == "blind"
    assert all(q.name in check.reason for q in rule.needs)


@each_rule
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0, 1e300]
)
def test_no_value_breaks_it(rule: type[Rule], value: float) -> None:
    with np.errstate(all="ignore"):
        (check,) = diagnose(everything(value), [rule()]).checks
    assert check.outcome != "broken", check.reason


@each_rule
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_no_length_breaks_it(rule: type[Rule], steps: int) -> None:
    trace = everything(1.0, steps)
    for step in range(-1, steps):
        (check,) = diagnose(trace.until(step), [rule()]).checks
        assert check.outcome != "broken", check.reason
