"""More units without changing the function, fewer units with changing it little."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from reluctant.changes import _moments
from reluctant.changes._graph import paths_of
from reluctant.changes._patient import Context, DoesNotFit, Patient
from reluctant.changes._see import Seen, see
from reluctant.changes._units import give_new_weights
from reluctant.records import Prune, Widen

_RIDGE = 1e-6  # of the mean square of a unit: two equal units leave no unique fit


@torch.no_grad()
def widen(change: Widen, patient: Patient, context: Context) -> Widen:
    """Make a `Widen`; the change with the layers that it was made to."""
    if not change.factor > 1:
        raise DoesNotFit(f"a factor of {change.factor:g} does not widen: give above 1.")
    paths = paths_of(patient.model, change.sites)
    seen = see(patient.model, paths, context) if context.batches else {}
    generator = context.generator()
    nothing = Seen(*(torch.zeros((0, 0)) for _ in range(3)))
    for path in paths:
        old = path.units
        more = max(1, round(old * (change.factor - 1)))

        def grow(value: Tensor, dim: int, by: int) -> Tensor:
            shape = list(value.shape)
            shape[dim] = by
            return torch.cat([value, value.new_zeros(shape)], dim=dim)

        def longer(value: Tensor, more: int = more) -> Tensor:
            return grow(value, 0, more)

        for module in (path.module, *(norm for _, norm in path.norms)):
            _resize(patient, module, longer, longer)
        for consumer in path.consumers:

            def wider(value: Tensor, by: int = more * consumer.block) -> Tensor:
                return grow(value, 1, by)

            _resize(patient, consumer.module, wider, None)
        ids = torch.arange(old, old + more, device=path.weight.device)
        give_new_weights(path, ids, seen.get(path.site, nothing), 0.5, generator)
    return Widen(tuple(path.site for path in paths), change.factor)


@torch.no_grad()
def prune(change: Prune, patient: Patient, context: Context) -> Prune:
    """Make a `Prune`; the change with the layers that it was made to."""
    if not 0 < change.factor < 1:
        raise DoesNotFit(f"a factor of {change.factor:g} does not prune: give below 1.")
    paths = paths_of(patient.model, change.sites)
    for path in paths:
        if len(path.consumers) != 1 or not isinstance(
            path.consumers[0].module, nn.Linear
        ):
            raise DoesNotFit(
                f"{path.site} is not read by one Linear alone, so what reads it cannot "
                "be refitted."
            )
    for path in paths:
        seen = see(patient.model, [path], context)[path.site]
        (consumer,) = path.consumers
        if consumer.block != 1:
            raise DoesNotFit(f"a flatten stands between {path.site} and its reader.")
        kept = max(1, round(path.units * change.factor))
        left, weight, bias = _fewest_missed(seen.after, consumer.module, kept)

        def rows(value: Tensor, left: Tensor = left) -> Tensor:
            return value[left]

        def columns(value: Tensor, left: Tensor = left) -> Tensor:
            return value[:, left]

        for module in (path.module, *(norm for _, norm in path.norms)):
            _resize(patient, module, rows, rows, forget=False)
        _resize(patient, consumer.module, columns, None, forget=False)
        reader: Tensor = consumer.module.weight  # type: ignore[assignment]
        reader.copy_(weight)
        own_bias: Tensor | None = consumer.module.bias  # type: ignore[assignment]
        if own_bias is not None:
            own_bias.copy_(bias)
    return Prune(tuple(path.site for path in paths), change.factor, change.after)


def _fewest_missed(
    after: Tensor, reader: nn.Linear | nn.Module, kept: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Units that stay, and the reader's weights and bias refitted to them.

    One unit goes at a time: the one without which the others, refitted by least
    squares, miss the reader's old outputs by least.
    """
    weight: Tensor = reader.weight  # type: ignore[assignment]
    old_bias: Tensor | None = reader.bias  # type: ignore[assignment]
    h = after.double()
    target = h @ weight.double().T
    if old_bias is not None:
        h = torch.cat([h, torch.ones((len(h), 1), dtype=h.dtype)], dim=1)
        target = target + old_bias.double()
    units = after.shape[1]
    gram = h.T @ h
    gram += _RIDGE * float(gram.diagonal().mean()) * torch.eye(len(gram)).to(gram)
    product = h.T @ target
    left = list(range(len(gram)))
    while len([i for i in left if i < units]) > kept:
        at = torch.tensor(left)
        inverse = torch.linalg.inv(gram[at][:, at])
        fit = inverse @ product[at]
        missed = fit.square().sum(dim=1) / inverse.diagonal()
        missed[at >= units] = float("inf")  # the bias stays
        left.pop(int(missed.argmin()))
    at = torch.tensor(left)
    fit = torch.linalg.solve(gram[at][:, at], product[at])
    stays = at < units
    bias = fit[~stays].reshape(-1) if old_bias is not None else torch.zeros(0)
    device = weight.device
    return at[stays].to(device), fit[stays].T.to(weight), bias.to(weight)


def _resize(
    patient: Patient,
    module: nn.Module,
    weight_to: Callable[[Tensor], Tensor],
    vector_to: Callable[[Tensor], Tensor] | None,
    *,
    forget: bool = True,
) -> None:
    """Give a module parameters and buffers of another size, in the optimizer too."""
    for name, old in list(module._parameters.items()):
        to = weight_to if name == "weight" else vector_to
        if old is None or to is None:
            continue
        new = nn.Parameter(to(old.detach()), requires_grad=old.requires_grad)
        module._parameters[name] = new
        state = patient.optimizer.state.get(old) or {}
        # what has a count of steps cannot start some slices over: all of it goes
        carry = None if forget and "step" in state else to
        _moments.replace(patient.optimizer, old, new, carry)
    for name, buffer in list(module._buffers.items()):
        if buffer is not None and buffer.dim() and vector_to is not None:
            module._buffers[name] = vector_to(buffer)
    weight: Tensor = module.weight  # type: ignore[assignment]
    sizes = {
        "out_features": weight.shape[0],
        "out_channels": weight.shape[0],
        "num_features": weight.shape[0],
    }
    if weight.dim() > 1:
        sizes |= {"in_features": weight.shape[1], "in_channels": weight.shape[1]}
    for name, size in sizes.items():
        if hasattr(module, name):
            setattr(module, name, int(size))
