"""What layers put out and what reads them gets, measured on a copy of the model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reluctant.changes._graph import Path
from reluctant.changes._patient import Context, call, copy_to_look_at, streams_kept

MOST = 4096  # rows (samples × positions) that are kept of a layer


@dataclass(frozen=True)
class Seen:
    """What was seen at one layer.

    Attributes:
        inputs: What the layer reads, shape `(n, fan_in)`; patches of a convolution.
        before: Its outputs, shape `(n, units)`.
        after: What its first consumer reads, shape `(m, units)`.
    """

    inputs: Tensor
    before: Tensor
    after: Tensor


@torch.no_grad()
def see(model: nn.Module, paths: Sequence[Path], context: Context) -> dict[str, Seen]:
    """Run the batches through a copy, and keep what the layers saw, by site."""
    look = copy_to_look_at(model)
    kept: dict[tuple[str, str], list[Tensor]] = {}
    handles = []

    def keep(site: str, what: str, value: Tensor) -> None:
        kept.setdefault((site, what), []).append(value.detach())

    for path in paths:
        layer = look.get_submodule(path.site)

        def on_layer(
            module: nn.Module, args: Any, out: Tensor, path: Path = path
        ) -> None:
            keep(path.site, "inputs", rows_read(module, args[0]))
            keep(path.site, "before", rows_of_units(out, path))

        handles.append(layer.register_forward_hook(on_layer))
        if path.consumers:
            reader = look.get_submodule(path.consumers[0].name)

            def on_reader(module: nn.Module, args: Any, path: Path = path) -> None:
                keep(path.site, "after", rows_of_units(args[0], path))

            handles.append(reader.register_forward_pre_hook(on_reader))
    with streams_kept():
        for inputs, _ in context.data("this change"):
            call(look, inputs)
    return {
        path.site: Seen(
            *(
                _thinned(kept.get((path.site, what), ()))
                for what in ("inputs", "before", "after")
            )
        )
        for path in paths
    }


def rows_of_units(value: Tensor, path: Path) -> Tensor:
    """Units as columns: from a linear layer's last axis, a convolution's second."""
    if isinstance(path.module, nn.Linear):
        return value.reshape(-1, path.units)
    if value.dim() == 2:  # flattened: a block of positions for each unit
        value = value.reshape(len(value), path.units, -1)
    return value.transpose(1, -1).reshape(-1, path.units)


def rows_read(module: nn.Module, value: Tensor) -> Tensor:
    """What one unit multiplies with its weights, a row for each time it does."""
    if isinstance(module, nn.Linear):
        return value.reshape(-1, value.shape[-1])
    if isinstance(module, nn.Conv2d) and isinstance(module.padding, tuple):
        patches = nn.functional.unfold(
            value, module.kernel_size, module.dilation, module.padding, module.stride
        )
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])
    return value.new_zeros((0, 1))  # no patches of this one are taken


def _thinned(values: Iterable[Tensor]) -> Tensor:
    values = list(values)
    if not values:
        return torch.zeros((0, 0))
    rows = torch.cat(values)
    if len(rows) <= MOST:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, MOST, device=rows.device).long()]


@torch.no_grad()
def outputs_on(model: nn.Module, context: Context) -> list[Tensor]:
    """The model's outputs on the batches, nothing dropped, on a copy."""
    look = copy_to_look_at(model)
    look.eval()
    with streams_kept():
        found = [call(look, inputs) for inputs, _ in context.batches]
    return [out for out in found if isinstance(out, Tensor)]


def largest_change(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Largest difference of two lists of outputs, over the largest output."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a.numel()]
    scale = max((float(a.abs().max()) for a, _ in pairs), default=0.0)
    if not pairs:
        return 0.0
    difference = max(float((a - b).abs().max()) for a, b in pairs)
    return difference / scale if scale > 0 else difference
