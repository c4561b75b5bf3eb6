"""No healthy training, of whatever kind, may be called sick."""

import pytest

from reluctant.records import Severity
from rules.zoo import ZOO, train

QUICK = {
    "autoencoder",
    "bag_of_words",
    "batch_norm_cnn",
    "catapult",
    "converged",
    "deep_he",
    "edge_of_stability",
    "frozen_backbone",
    "imbalanced",
    "moving_targets",
    "noisy_labels",
    "pretrained_body",
    "sparse_embedding",
    "sparse_relu",
    "twenty_steps",
    "unscaled_targets",
    "weight_norm",
}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(
            recipe,
            id=recipe.__name__,
            marks=[] if recipe.__name__ in QUICK else [pytest.mark.slow],
        )
        for recipe in ZOO
    ],
)
def test_is_left_alone(recipe) -> None:  # type: ignore[no-untyped-def]
    diagnosis, _ = train(recipe, seed=0)
    told = [f.message for f in diagnosis.findings if f.severity is not Severity.NOTE]
    assert not told
    assert not [c.reason for c in diagnosis.checks if c.outcome == "broken"]
