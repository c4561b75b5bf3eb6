"""GRD301 and LOP503: how much of it matters where little was learnt."""

import math

import msgspec
import pytest

from reluctant.records import Module, Parameter, Severity, Trace
from reluctant.rules.gradient.no_gradient import NoGradient
from reluctant.rules.loop.excessive_dropout import ExcessiveDropout
from rules.rule_cases import judged, mlp_setup

NOTHING = [math.log(4)] * 250
LEARNT = [max(0.1, 1.4 * 0.97**i) for i in range(250)]


def with_places(loss: list[float], entries: int) -> Trace:
    """Four layers of 1,024 weights, and an embedding of places that is not used."""
    setup = mlp_setup()
    places = Parameter(name="places.weight", shape=(entries, 1), group=0, std=1.0)
    return judged(
        msgspec.structs.replace(
            setup,
            parameters=(*setup.parameters, places),
            unreached=("places.weight",),
        ),
        loss=loss,
    )


@pytest.mark.parametrize(
    ("loss", "entries", "expected"),
    [
        (NOTHING, 60, Severity.WARNING),
        (LEARNT, 60, Severity.NOTE),
        (NOTHING[:150], 60, Severity.NOTE),
        (LEARNT, 400, Severity.WARNING),
    ],
)
def test_a_small_part_is_missed_where_nothing_is_learnt(
    loss: list[float], entries: int, expected: Severity
) -> None:
    (finding,) = NoGradient().check(with_places(loss, entries))
    assert finding.severity is expected
    missed = expected is Severity.WARNING and entries == 60
    assert finding.message.endswith("; and nothing was learnt") == missed


@pytest.mark.parametrize(
    ("share", "late", "found"), [(0.8, 0.5, 1), (0.8, 0.1, 0), (0.6, 0.5, 0)]
)
def test_dropout_counts_while_much_is_left(share: float, late: float, found: int):
    drop = Module(name="drop", type="Dropout", parameters=(), dropout=share)
    setup = msgspec.structs.replace(mlp_setup(), modules=(drop,))
    loss = [max(late, x) for x in LEARNT]
    assert len(list(ExcessiveDropout().check(judged(setup, loss=loss)))) == found
