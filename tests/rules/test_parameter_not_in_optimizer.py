import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Parameter, Setup, Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.loop.parameter_not_in_optimizer import ParameterNotInOptimizer

DRAWN, TRAINED = 1 / math.sqrt(3 * 100), 0.2
rule = ParameterNotInOptimizer()


def run(lost: Parameter, *others: str, steps: int = 20, **fields: object) -> Trace:
    owned = [Parameter(name=name, shape=(100, 100), std=DRAWN) for name in others]
    setup = Setup(parameters=(lost, *owned), **fields)  # type: ignore[arg-type]
    return trace_of(setup=setup, loss=[1.0] * steps)


def weight(std: float = DRAWN, **fields: object) -> Parameter:
    return Parameter(
        name="body.weight",
        shape=(100, 100),
        std=std,
        group=None,
        **fields,  # type: ignore[arg-type]
    )


def test_finds_the_sick() -> None:
    (finding,) = rule.check(run(weight(), "head.weight"))
    assert finding.sites == ("body.weight",)
    assert finding.severity is Severity.ERROR
    assert "50.0%" in finding.message


def test_spares_the_frozen() -> None:
    assert not list(rule.check(run(weight(requires_grad=False), "head.weight")))


def test_spares_what_the_loss_does_not_reach() -> None:
    trace = run(weight(), "head.weight", unreached=("body.weight",))
    assert not list(rule.check(trace))


def test_spares_the_owned() -> None:
    own = Parameter(name="body.weight", shape=(100, 100), std=DRAWN, group=1)
    assert not list(rule.check(run(own, "head.weight")))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="2 steps, 3 needed"):
        list(rule.check(run(weight(), "head.weight", steps=2)))


def test_a_trained_body_under_a_new_head_is_a_note() -> None:
    (finding,) = rule.check(run(weight(std=TRAINED), "head.weight"))
    assert finding.severity is Severity.NOTE


def test_a_bias_alone_is_a_warning() -> None:
    bias = Parameter(name="x.bias", shape=(100,), group=None)
    (finding,) = rule.check(run(bias, "head.weight"))
    assert finding.severity is Severity.WARNING


def test_a_layer_in_the_middle_is_no_body() -> None:
    first = Parameter(name="a.weight", shape=(100, 100), std=DRAWN)
    setup = Setup(parameters=(first, weight(std=TRAINED), first))
    (finding,) = rule.check(trace_of(setup=setup, loss=[1.0] * 20))
    assert finding.severity is Severity.ERROR


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_names_change_nothing(name: str) -> None:
    lost = Parameter(name=name, shape=(100, 100), std=DRAWN, group=None)
    (finding,) = rule.check(run(lost))
    assert finding.sites == (name,)
