"""The optimizer's memory of parameters whose units were operated on.

Adam of torch keeps one count of steps for a whole parameter. Moments of zero with the
old count have no bias correction left: the second moment lags behind the first, and the
steps overshoot up to 6.6 times. So there the memory of the whole parameter goes, count
and all; a plain momentum loses only the units concerned.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer


def forget(optimizer: Optimizer, parameter: Tensor, rows: Tensor, *, dim: int) -> None:
    """Forget what was remembered of some slices of a parameter.

    Args:
        optimizer: Whose state is touched, in place.
        parameter: As it is in the optimizer.
        rows: Indices of the slices.
        dim: Along which they lie.
    """
    state = optimizer.state.get(parameter)
    if not state:
        return
    if "step" in state:
        del optimizer.state[parameter]
        return
    for value in state.values():
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            value.index_fill_(dim, rows.to(value.device), 0)


def rescale(optimizer: Optimizer, parameter: Tensor, factor: Tensor) -> None:
    """Carry the memory over to a parameter that was multiplied by `factor`.

    Gradients are divided by what a parameter is multiplied by: first moments with
    them, second moments by the square.
    """
    for name, value in (optimizer.state.get(parameter) or {}).items():
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            is_square = "sq" in name or name in ("sum", "max_exp_avg_sq")
            value.div_(factor.square() if is_square else factor)


def replace(
    optimizer: Optimizer,
    old: Tensor,
    new: Tensor,
    carry: Callable[[Tensor], Tensor] | None,
) -> None:
    """Put a parameter in the place of one of another shape.

    Args:
        optimizer: Changed in place.
        old: As it is in the optimizer.
        new: What takes its place.
        carry: Brings what was remembered to the new shape; None forgets it.
    """
    for group in optimizer.param_groups:
        group["params"][:] = [new if p is old else p for p in group["params"]]
    state = optimizer.state.pop(old, None)
    if not state or carry is None:
        return
    with torch.no_grad():
        optimizer.state[new] = {
            name: carry(value)
            if isinstance(value, Tensor) and value.shape == old.shape
            else value
            for name, value in state.items()
        }
