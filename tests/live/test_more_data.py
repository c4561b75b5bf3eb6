"""Whether the same batch again and again is all there is."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.records import Finding


def duplicate(batches: Callable[[int], tuple[Tensor, Tensor]]) -> Finding | None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for step in range(40):
            x, y = batches(step)
            loss = run.loss(F.cross_entropy(model(x), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = [f for f in run.diagnosis.findings if f.code == "DAT201"]
    return found[0] if found else None


def data(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    x = torch.randn(size, 6, generator=generator)
    return x, (x[:, 0] > 0).long()


def severity(finding: Finding | None) -> str:
    return finding.severity.value if finding else "clear"


def test_full_batch_training_is_a_note() -> None:
    x, y = data(900)
    assert severity(duplicate(lambda step: (x, y))) == "note"


def test_a_small_batch_that_is_all_there_is_is_a_note() -> None:
    x, y = data(64)
    assert severity(duplicate(lambda step: (x, y))) == "note"


@pytest.mark.parametrize("size", [100, 200, 640])
def test_a_training_part_of_the_data_is_a_note(size: int) -> None:
    x, y = data(800)
    train = x[:size], y[:size]
    assert severity(duplicate(lambda step: train)) == "note"


def test_a_slice_that_never_advances() -> None:
    x, y = data(801)
    finding = duplicate(lambda step: (x[:32], y[:32]))
    assert severity(finding) == "error"
    assert "32 of 801 samples that lie in one tensor" in str(finding)


def test_an_index_that_never_advances() -> None:
    x, y = data(802)
    i = torch.arange(5, 69)
    finding = duplicate(lambda step: (x[i], y[i]))
    assert severity(finding) == "error"
    assert "64 of 802 samples of a tensor that the program holds" in str(finding)


def test_other_data_of_that_shape_are_no_evidence() -> None:
    x, y = data(64)
    other: Any = data(803)
    assert severity(duplicate(lambda step: (x, y))) == "note"
    assert other


def test_batches_that_change_are_clear() -> None:
    x, y = data(804)
    assert duplicate(lambda step: (x[step : step + 32], y[step : step + 32])) is None
