"""GRD501: a linear fit that the training does not find."""

import msgspec
import numpy as np
import pytest
import torch

from reluctant.live._loss_look import joint_moments
from reluctant.records import Loss, Trace
from reluctant.rules.gradient.ill_conditioned import IllConditioned, _fit
from rules.rule_cases import judged, mlp_setup


def table(flat: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two columns that differ by `flat`, and a target that is their difference."""
    z = np.random.default_rng(seed).standard_normal((4000, 2))
    x = np.stack([z[:, 0] + flat * z[:, 1], z[:, 0] - flat * z[:, 1]], 1)
    return x, z[:, 1:] + 0.1 * np.random.default_rng(1).standard_normal((4000, 1))


def moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found = joint_moments(torch.tensor(x), torch.tensor(y))
    assert found is not None
    return found.numpy()


def test_the_fit_is_that_of_least_squares() -> None:
    x, y = table(0.3)
    explained, condition = _fit(moments(x + 2.0, y).reshape(4, 4), 2)
    design = np.column_stack([x, np.ones(len(x))])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert explained == pytest.approx(1 - rest.var() / y.var(), rel=1e-6)
    spread = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    assert condition == pytest.approx(spread[1] / spread[0], rel=1e-6)


def test_a_flat_direction_that_nothing_lies_along_does_not_count() -> None:
    x, _ = table(1e-3)
    _, condition = _fit(moments(x, x[:, :1]).reshape(4, 4), 2)
    assert condition == pytest.approx(1.0)


def test_what_is_no_table_of_few_columns_is_left_alone() -> None:
    assert joint_moments(torch.zeros(8, 3, 4, 4), torch.zeros(8)) is None
    assert joint_moments(torch.zeros(8, 200), torch.zeros(8)) is None
    assert joint_moments(torch.zeros(8, 3), torch.zeros(8, dtype=torch.long)) is None


def trained(flat: float, late: float) -> Trace:
    x, y = table(flat)
    loss = Loss(kind="mse", reduction="mean", outputs=1)
    setup = msgspec.structs.replace(mlp_setup(batch_size=64), loss=loss)
    rows = [moments(x[i : i + 64], y[i : i + 64]).tolist() for i in range(0, 3200, 64)]
    return judged(
        setup,
        loss=[1.0 + (late - 1.0) * min(1.0, i / 50) for i in range(200)],
        target_count=[],
        target_mean=[[0.0]] * 200,
        target_square=[[1.0]] * 200,
        joint_moments=rows,
    )


@pytest.mark.parametrize(
    ("flat", "late", "is_found"),
    [(0.01, 0.9, True), (0.01, 0.05, False), (0.5, 0.9, False)],
)
def test_it_takes_a_gap_and_a_condition(
    flat: float, late: float, is_found: bool
) -> None:
    assert bool(list(IllConditioned().check(trained(flat, late)))) is is_found
