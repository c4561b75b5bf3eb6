"""Treat `dying-output` at a rate past its threshold, and nets whose outputs have died.

MSELoss summed over the outputs is twice the loss of the case, so its rates are halved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._relu_net import Weights
from reluctant.cases._relu_net_kind import OUTPUTS
from reluctant.cases._result import CaseResult
from reluctant.cases._treatment import numbers_of, repaired, sentence, share_of
from reluctant.lab import Training, treat_recipe, trial
from reluctant.records import UNTREATED

WORKING, FAILING = 0.05, 0.08  # on MNIST, as it was asked
BELOW, ABOVE = 0.7, 1.6  # of the measured threshold, on other data
SLACK = 0.01  # of accuracy, below what the working rate reaches


@dataclass(frozen=True)
class Problem:
    """The network of the case at one rate.

    Attributes:
        data: Images, and one-hot rows.
        digits: The same before.
        rate: Of the case's own loss.
    """

    data: TensorDataset
    digits: Digits
    rate: float

    def recipe(self, seed: int) -> Training:
        """From a seed."""
        w = Weights.initial(seed, self.digits)
        model = nn.Sequential(
            nn.Linear(self.digits.inputs, w.W1.shape[1]),
            nn.ReLU(),
            nn.Linear(w.W1.shape[1], OUTPUTS),
            nn.ReLU(),
        )
        values = (w.W1.T, w.b1, w.W2, w.b2)
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), values, strict=True):
                parameter.copy_(torch.from_numpy(value.copy()))
        optimizer = torch.optim.SGD(model.parameters(), lr=self.rate / 2)
        batches = DataLoader(self.data, batch_size=1, shuffle=True)
        return Training(model, nn.MSELoss(reduction="sum"), optimizer, batches)


def treated(
    result: CaseResult,
    *,
    data: Path | None,
    quick: bool,
    seed: int,
    progress: Callable[[str], None],
) -> CaseResult:
    """Add what the treatment found to what the case tells."""
    digits = load_digits(data)
    rows = nn.functional.one_hot(torch.from_numpy(digits.train_y), OUTPUTS).float()
    images = TensorDataset(torch.from_numpy(digits.train_x), rows)
    working, failing = WORKING, FAILING
    if digits.name != "MNIST":
        threshold = result.numbers["threshold"]["measured"]
        working, failing = BELOW * threshold, ABOVE * threshold
    epochs = result.numbers["epochs"] if digits.name != "MNIST" else (1 if quick else 2)
    steps = epochs * len(digits.train_x)
    seeds = 12 if quick else 40
    control = trial(
        Problem(images, digits, working).recipe, [], seeds=8, steps=steps
    ).arm(UNTREATED)
    scores = sorted(outcome.score for outcome in control.outcomes)
    reached = scores[len(scores) // 2]
    how: dict[str, Any] = {
        "steps": steps,
        "seeds": seeds,
        "success": f"score>{reached - SLACK:.4g}",
        "seconds": 240.0 if quick else 900.0,
        "notify": progress,
    }
    sick = Problem(images, digits, failing)
    title = f"dying-output at {failing:.2g}"
    record = treat_recipe(sick.recipe, name=title, **how).record
    dead = treat_recipe(
        sick.recipe, after=steps, name=f"{title}, outputs already dead", **how
    ).record
    numbers, after = numbers_of(record), numbers_of(dead)
    after["repaired"] = None
    if dead.confirmation is not None and dead.winner:
        after["repaired"] = share_of(repaired(dead.confirmation, dead.winner))
    numbers |= {"rate": failing, "reference_rate": working, "reference_score": reached}
    return msgspec.structs.replace(
        result,
        story=(
            *result.story,
            f"Treated at {failing:.2g}, where {working:.2g} reaches {reached:.1%} of "
            f"the training data: {sentence(record)}",
            f"Nets that have trained past the threshold: {sentence(dead)}",
        ),
        numbers={
            **result.numbers,
            "success": numbers["success"],
            "treatment": numbers,
            "revived": after,
        },
    )
