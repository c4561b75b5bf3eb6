"""HED501 goes by what a check has tried, where it has; else by the graph."""

import pytest

from builders import trace_of
from reluctant.records import Loss, Setup
from reluctant.rules.head.sum_reduction import _is_sum


@pytest.mark.parametrize(
    ("reduction", "tried", "is_sum"),
    [
        ("sum", None, True),
        ("mean", None, False),
        ("", 2.0, True),  # written out by hand: no graph tells
        ("sum", 1.0, False),  # summed over outputs, divided by samples afterwards
        ("mean", 2.0001, True),
        ("sum", 1.3, True),  # neither, such as a comparison of samples
        ("", 1.3, False),
    ],
)
def test_replication_is_certain(reduction: str, tried: float | None, is_sum: bool):
    more = {} if tried is None else {"loss_replication": [tried]}
    setup = Setup(loss=Loss(kind="mse", reduction=reduction))
    assert _is_sum(trace_of(setup=setup, loss=[1.0], **more)) is is_sum
