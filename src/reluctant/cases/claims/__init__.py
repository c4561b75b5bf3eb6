"""Advice that was given in the four threads, each tested by paired trials."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from reluctant.cases.claims import dying_output, nan_loss, sigmoid_init, tiny_abs
from reluctant.cases.claims._compare import Scale
from reluctant.records import ClaimResult, UsageError

__all__ = ["CLAIMS", "run_claims"]

CLAIMS: dict[str, Callable[[Scale], ClaimResult]] = {
    "leaky-relu": dying_output.leaky_head,
    "learning-rate-decay": dying_output.rate_decay,
    "wider-layer": dying_output.wider_layer,
    "width-and-depth": dying_output.width_and_depth,
    "uniform-half": sigmoid_init.uniform_half,
    "small-start": sigmoid_init.small_start,
    "adam-behaves": nan_loss.adam_behaves,
    "order-of-magnitude": nan_loss.order_of_magnitude,
    "second-order": nan_loss.second_order,
    "ill-conditioning": nan_loss.ill_conditioning,
    "more-units": tiny_abs.more_units,
    "banded-losses": tiny_abs.banded_losses,
    "dropout": tiny_abs.dropout,
    "other-activations": tiny_abs.other_activations,
    "every-optimizer": tiny_abs.every_optimizer,
    "repelling-units": tiny_abs.repelling_units,
    "skewed-inputs": tiny_abs.skewed_inputs,
}


def run_claims(
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    data: Path | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[ClaimResult]:
    """Test claims one after the other.

    Args:
        names: Keys of `CLAIMS`; all if there are none.
        quick: Fewer and shorter trainings: minutes in place of an hour.
        data: Folder with MNIST; else the digits that scikit-learn ships.
        seed: The first of all seeds; equal seeds give equal numbers.
        progress: Given one line for each stretch of work.

    Raises:
        UsageError: If there is no such claim, or the data cannot be read.
    """
    for name in names:
        if name not in CLAIMS:
            near = difflib.get_close_matches(name, CLAIMS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {_all(CLAIMS)}."
            raise UsageError(f"no claim {name!r}; {hint}")
    scale = Scale(quick=quick, seed=seed, data=data, progress=progress)
    return (CLAIMS[name](scale) for name in names or CLAIMS)


def _all(names: Iterable[str]) -> str:
    return ", ".join(names)
