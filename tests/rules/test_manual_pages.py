"""The examples in every manual page are true: what is called sick is found sick."""

import inspect
import re

import pytest

from bench import Training
from reluctant.diagnosis import diagnose
from reluctant.records import Diagnosis, Severity, Trace
from reluctant.rules import RULES, Rule
from reluctant.rules._base import BY_CHECK

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)


def diagnosed(rule: type[Rule], section: str) -> Diagnosis:
    page = inspect.cleandoc(rule.__doc__ or "")
    (block,) = re.findall(rf"^## {section}\n```python\n(.+?)```", page, re.M | re.S)
    training = Training(block)
    if BY_CHECK in {c.reason for c in diagnose(Trace(), [rule()]).checks}:
        return training.check()
    return training.run()[0]


@each_rule
def test_sick_is_found(rule: type[Rule]) -> None:
    diagnosis = diagnosed(rule, "Sick")
    reasons = {c.code: c.reason for c in diagnosis.checks}
    assert rule.code in {f.code for f in diagnosis.findings}, reasons.get(rule.code)
    is_note = rule.severity is Severity.NOTE  # a note is no headline
    assert is_note or diagnosis.root is not None


@each_rule
def test_healthy_is_clear(rule: type[Rule]) -> None:
    diagnosis = diagnosed(rule, "Healthy")
    outcomes = {c.code: c.outcome for c in diagnosis.checks}
    assert outcomes[rule.code] == "clear"
    assert diagnosis.root is None


@pytest.mark.parametrize("seed", range(3))
def test_the_bench_itself_is_healthy(seed: int) -> None:
    diagnosis, _ = Training(seed=seed).run()
    assert all(f.severity is Severity.NOTE for f in diagnosis.findings)
    assert {c.reason for c in diagnosis.blind} == {BY_CHECK, "no evaluation was seen"}
