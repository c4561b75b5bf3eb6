"""Norms and copies of units against a loop over pairs."""

import pytest
import torch

from reluctant.probes.unit_weights import UnitWeights
from reluctant.records.quantities import (
    COPIED_UNITS,
    INCOMING_NORM,
    OUTGOING_NORM,
    UNIT_BIAS,
)


def read(weight, bias):
    before = {"a.weight": weight, "a.bias": bias}
    return {m.quantity.name: m.value for m in UnitWeights().read(before, before)}


def test_copies_up_to_a_positive_scale():
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 5), torch.randn(6)
    weight[3], bias[3] = 2 * weight[0], 2 * bias[0]  # a copy
    weight[4], bias[4] = -weight[1], -bias[1]  # points the other way
    weight[5] = weight[2]  # another bias
    found = read(weight, bias)
    assert found[COPIED_UNITS.name] == 1
    rows = torch.cat([weight, bias[:, None]], 1).double()
    assert found[INCOMING_NORM.name].tolist() == pytest.approx(
        rows.norm(dim=1).tolist()
    )
    assert found[OUTGOING_NORM.name].tolist() == pytest.approx(
        weight.double().norm(dim=0).tolist()
    )


def test_channels_of_a_convolution():
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 3, 5, 5), torch.randn(6)
    weight[4], bias[4] = 0.5 * weight[1], 0.5 * bias[1]
    found = read(weight, bias)
    assert found[COPIED_UNITS.name] == 1
    assert OUTGOING_NORM.name not in found
    rows = torch.cat([weight.flatten(1), bias[:, None]], 1)
    torch.testing.assert_close(found[INCOMING_NORM.name], rows.double().norm(dim=1))


def test_rows_of_zeros_are_no_copies():
    assert read(torch.zeros(4, 3), torch.zeros(4))[COPIED_UNITS.name] == 0


def test_large_layers_are_left_out():
    found = read(torch.zeros(2000, 2), torch.arange(2000.0))
    assert set(found) == {UNIT_BIAS.name}
    assert found[UNIT_BIAS.name].tolist() == list(range(2000))
    assert not read(torch.zeros(20_000, 2), torch.zeros(20_000))
