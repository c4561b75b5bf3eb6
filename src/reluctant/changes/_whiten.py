"""Inputs whose columns are decorrelated, and folded back in."""

import torch
from torch import Tensor, nn

from reluctant.changes._patient import Context, DoesNotFit, Patient
from reluctant.changes._standardize import (
    InputScaling,
    into_first,
    measured,
    put_before,
    read_now,
)
from reluctant.records import WhitenInput

MOST_COLUMNS = 256  # the matrix is saved with what was done: 65,536 numbers
# for each column: the spread of what is white on so many is known to a factor of 3.7,
# by Marchenko and Pastur, ((1 + sqrt(1/10)) / (1 - sqrt(1/10)))²
SAMPLES = 10
_ROUNDINGS = 10.0  # a direction that is not longer than these holds nothing but them
_MOVED = 1e-3  # of what the outputs vary by: what weights of few digits may lose


class WhitenedInput(InputScaling):
    """Subtracts a mean and multiplies by a matrix."""

    def __init__(
        self, mean: tuple[float, ...], matrix: tuple[tuple[float, ...], ...]
    ) -> None:
        self.mean, self.matrix = mean, matrix
        self._mean = torch.tensor(mean, dtype=torch.float64)
        self._matrix = torch.tensor(matrix, dtype=torch.float64)

    def __repr__(self) -> str:
        return f"WhitenedInput({self.mean}, {self.matrix})"

    def scaled(self, inputs: Tensor) -> Tensor:
        """See `InputScaling`.

        Large numbers cancel here to small ones. What is wide is left alone by autocast
        and has no fast imprecise product, so it is done so where the device can.
        """
        wide = torch.float32 if inputs.device.type == "mps" else torch.float64
        if self._matrix.device != inputs.device or self._matrix.dtype != wide:
            self._mean = self._mean.to(inputs.device, wide)
            self._matrix = self._matrix.to(inputs.device, wide)
        return ((inputs.to(wide) - self._mean) @ self._matrix).to(inputs.dtype)

    def into(self, module: nn.Module, *, inverse: bool = False) -> None:
        """See `InputScaling`.

        Raises:
            DoesNotFit: If the layer reads something else, or its weights have too few
                digits.
        """
        if not isinstance(module, nn.Linear) or module.in_features != len(self.mean):
            raise DoesNotFit(f"{module} does not read {len(self.mean)} columns.")
        eps = torch.finfo(module.weight.dtype).eps

        def rescaled(weight: Tensor) -> Tensor:
            matrix = weight.new_tensor(self.matrix)
            back: Tensor = torch.linalg.inv(matrix)
            if inverse:
                return weight @ back.T
            found = weight @ matrix.T
            squares = weight.new_tensor(self.mean) ** 2 + (back**2).sum(dim=0)
            rounding = eps * (found**2 @ squares).sqrt()
            lost = float((rounding / weight.norm(dim=1).clamp(min=1e-300)).max())
            if lost > _MOVED:
                raise DoesNotFit(
                    f"the columns are so alike that weights of {module.weight.dtype} "
                    f"cannot tell them apart: rounding would move the outputs by "
                    f"{lost:.1g} of what they vary by; whiten the data instead."
                )
            return found

        into_first(module, self.mean, rescaled, inverse=inverse)


@torch.no_grad()
def whiten_input(
    change: WhitenInput, patient: Patient, context: Context
) -> WhitenInput:
    """Make a `WhitenInput`; the change with what was measured."""
    mean, matrix = change.mean, change.matrix
    if not mean:
        mean, matrix = _whitening(read_now(patient, context))
    elif [len(row) for row in matrix] != [len(mean)] * len(mean):
        raise DoesNotFit(
            f"{len(mean)} means take a matrix of as many rows and columns."
        )
    put_before(patient, WhitenedInput(mean, matrix), keep=change.keep_function)
    return WhitenInput(mean, matrix, change.keep_function)


def _whitening(
    inputs: Tensor,
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Mean and matrix that make the columns white, each as like itself as can be.

    Of all matrices that do, this one, ZCA-cor of Kessy et al. (2018), leaves every
    column closest to what it was, so that weights which were learnt keep their meaning,
    and does not depend on the units that a column is measured in, or on the signs of
    eigenvectors.

    Along directions that are nothing but rounding there is nothing to be made white:
    they are left as small as they are.
    """
    if inputs.dim() != 2:
        raise DoesNotFit(
            f"inputs of shape {tuple(inputs.shape)} are no table of samples and "
            "columns; only these are whitened."
        )
    rows, columns = inputs.shape
    if columns > MOST_COLUMNS:
        raise DoesNotFit(f"{columns} columns, at most {MOST_COLUMNS} are whitened.")
    if rows < SAMPLES * columns:
        raise DoesNotFit(
            f"{rows} samples of {columns} columns, {SAMPLES * columns} needed to tell "
            "how they correlate."
        )
    mean, _ = measured(inputs, "inputs")
    x, eps = inputs.detach().cpu().double(), torch.finfo(inputs.dtype).eps
    m = x.new_tensor(mean)
    size, std = x.square().mean(dim=0).sqrt(), x.std(dim=0, unbiased=False)
    # what is constant but for rounding is left small, too
    s = torch.where(std > _ROUNDINGS * eps * size, std, size)
    s[s == 0] = 1.0
    z = (x - m) / s
    spread, axes = torch.linalg.eigh(z.T @ z / rows)
    length = spread.clamp(min=0).sqrt()
    rounding = (axes.square().T @ (eps * size / s).square()).sqrt()
    length = torch.where(length > _ROUNDINGS * rounding, length, length[-1])
    matrix = axes / length @ axes.T / s[:, None]
    return mean, tuple(tuple(row) for row in matrix.tolist())
