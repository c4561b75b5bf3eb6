"""Dead and merged units: found on data, and given something of their own to do."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reluctant.changes import _moments
from reluctant.changes._graph import Path, paths_of, trace
from reluctant.changes._patient import Context, DoesNotFit, NothingToDo, Patient
from reluctant.changes._see import Seen, see
from reluctant.records import ReviveOutputs, ReviveUnits, SplitUnits

_LEAST_NORM = 1e-30
_ABOVE = 0.01  # of the largest mean target: where an output starts at least


def dead_units(
    patient: Patient, context: Context, sites: Sequence[str] = ()
) -> dict[str, tuple[int, ...]]:
    """Units whose value is one and the same on all data, by layer."""
    paths = paths_of(patient.model, sites)
    seen = see(patient.model, paths, context)
    found = {}
    for path in paths:
        after = seen[path.site].after
        if len(after):
            constant = after.amax(dim=0) == after.amin(dim=0)
            ids = tuple(int(i) for i in constant.nonzero().reshape(-1))
            if ids:
                found[path.site] = ids
    return found


def merged_units(
    patient: Patient, context: Context, *, same: float, sites: Sequence[str] = ()
) -> dict[str, list[tuple[int, ...]]]:
    """Groups of units that put out the same up to scale on all data, by layer."""
    paths = paths_of(patient.model, sites)
    seen = see(patient.model, paths, context)
    found = {}
    for path in paths:
        groups = _groups(seen[path.site].after, same)
        if groups:
            found[path.site] = groups
    return found


@torch.no_grad()
def revive(change: ReviveUnits, patient: Patient, context: Context) -> ReviveUnits:
    """Make a `ReviveUnits`; the change with the units that it was made to."""
    units = change.units or dead_units(patient, context)
    if not units:
        raise NothingToDo("no hidden unit is silent on the data, so none is revived.")
    paths = paths_of(patient.model, list(units))
    seen = see(patient.model, paths, context)
    generator = context.generator()
    for path in paths:
        ids = torch.tensor(units[path.site], device=path.weight.device)
        _must_have(path, ids)
        _hand_over_constants(path, ids, seen[path.site])
        give_new_weights(path, ids, seen[path.site], change.fires, generator)
        _silence(path, ids)
        _forget(patient, path, ids)
    return ReviveUnits(units, change.fires)


@torch.no_grad()
def split(change: SplitUnits, patient: Patient, context: Context) -> SplitUnits:
    """Make a `SplitUnits`; the change with the units that it was made to."""
    groups = (
        {site: [ids] for site, ids in change.units.items()}
        if change.units
        else merged_units(patient, context, same=change.same)
    )
    if not groups:
        raise NothingToDo("no two hidden units do the same on the data.")
    paths = paths_of(patient.model, list(groups))
    seen = see(patient.model, paths, context)
    generator = context.generator()
    for path in paths:
        freed = []
        for group in groups[path.site]:
            first, *others = group
            _must_have(path, torch.tensor(group))
            after = seen[path.site].after.double()
            base = after[:, first]
            for other in others:
                scale = float(after[:, other] @ base / (base @ base))
                for consumer in path.consumers:
                    weight: Tensor = consumer.module.weight  # type: ignore[assignment]
                    to = consumer.columns(torch.tensor([first]))
                    of = consumer.columns(torch.tensor([other]))
                    weight[:, to] += scale * weight[:, of]
            freed += others
        ids = torch.tensor(freed, device=path.weight.device)
        give_new_weights(path, ids, seen[path.site], 0.5, generator)
        _silence(path, ids)
        everyone = torch.tensor([i for g in groups[path.site] for i in g])
        _forget(patient, path, everyone.to(ids.device))
    merged = {
        site: tuple(i for group in found for i in group)
        for site, found in groups.items()
    }
    return SplitUnits(merged, change.same)


@torch.no_grad()
def revive_outputs(
    change: ReviveOutputs, patient: Patient, context: Context
) -> ReviveOutputs:
    """Make a `ReviveOutputs`; the change with the units that it was made to."""
    traced = trace(patient.model)
    heads = [traced.paths[site] for site in traced.heads]
    # a rectifier alone: behind anything else a bias is not what is put out
    rectified = [p for p in heads if not p.norms and _names(p) == ["relu"]]
    units = dict(change.units)
    if not units and rectified:
        seen = see(patient.model, rectified, context)
        for path in rectified:
            silent = seen[path.site].before.amax(dim=0) <= 0
            if bool(silent.any()):
                ids = silent.nonzero().reshape(-1)
                units[path.site] = tuple(int(i) for i in ids)
    if not units:
        raise NothingToDo("no output behind a rectifier is silent on the data.")
    for site, numbers in units.items():
        path_or_none = next((p for p in rectified if p.site == site), None)
        if path_or_none is None or path_or_none.refusal or path_or_none.bias is None:
            raise DoesNotFit(f"{site} is no output layer with a bias and a rectifier.")
        path, ids = path_or_none, torch.tensor(numbers)
        _must_have(path, ids)
        bias: Tensor = path_or_none.bias
        path.weight[ids] = 0
        bias[ids] = _mean_targets(context, path.units)[ids].to(bias)
        for parameter in (path.weight, bias):
            _moments.forget(patient.optimizer, parameter, ids, dim=0)
    return ReviveOutputs(units)


def _names(path: Path) -> list[str]:
    return [name for _, name in path.acts]


def _mean_targets(context: Context, outputs: int) -> Tensor:
    """Of each output, at least a little above the hinge."""
    targets = torch.cat([y for _, y in context.data("the mean of the targets")])
    if not targets.is_floating_point():
        targets = torch.nn.functional.one_hot(targets, outputs)
    mean = targets.reshape(len(targets), -1).double().mean(dim=0)
    if len(mean) != outputs:
        raise DoesNotFit(
            f"targets of {len(mean)} numbers do not fit {outputs} outputs."
        )
    return mean.clamp(min=_ABOVE * max(1e-6, float(mean.abs().max())))


def give_new_weights(
    path: Path, ids: Tensor, seen: Seen, fires: float, generator: torch.Generator
) -> None:
    """Draw incoming weights, and a bias such that the unit fires so often."""
    weight, bias = path.weight, path.bias
    fan_in = int(weight[0].numel())
    drawn = torch.randn((len(ids), fan_in), generator=generator).to(weight)
    rms = float(seen.inputs.square().mean().sqrt()) if seen.inputs.numel() else 0.0
    # a unit whose output is as large as its input is, whatever the input's scale
    drawn *= (2 / fan_in) ** 0.5 / max(1.0, rms)
    weight[ids] = drawn.reshape(len(ids), *weight.shape[1:])
    shift = torch.zeros(len(ids), dtype=weight.dtype, device=weight.device)
    if len(seen.inputs) and seen.inputs.shape[1] == fan_in:
        reached = seen.inputs.to(weight) @ drawn.T
        shift = -torch.quantile(reached.float(), 1 - fires, dim=0).to(weight)
    if bias is not None:
        bias[ids] = shift
    for _, norm in path.norms:
        for name, value in (
            ("weight", 1.0),
            ("bias", 0.0),
            ("running_mean", 0.0),
            ("running_var", 1.0),
        ):
            tensor = getattr(norm, name, None)
            if tensor is not None:
                tensor[ids] = value
    if path.norms and len(seen.inputs) and seen.inputs.shape[1] == fan_in:
        norm = path.norms[0][1]
        if getattr(norm, "running_mean", None) is not None:
            reached = seen.inputs.to(weight) @ drawn.T + (
                shift if bias is not None else 0
            )
            norm.running_mean[ids] = reached.mean(dim=0)  # type: ignore[operator]
            norm.running_var[ids] = reached.var(dim=0)  # type: ignore[operator]


def _hand_over_constants(path: Path, ids: Tensor, seen: Seen) -> None:
    """Move what a silent unit still adds to what reads it into that one's bias."""
    constants = seen.after[0, ids]
    varies = seen.after[:, ids].amax(dim=0) != seen.after[:, ids].amin(dim=0)
    if bool(varies.any()):
        live = [int(i) for i in ids[varies.to(ids.device)]]
        raise DoesNotFit(
            f"units {live} of {path.site} are not silent on the data, so reviving "
            "them would change what the network puts out."
        )
    if not bool(constants.any()):
        return
    for consumer in path.consumers:
        module = consumer.module
        if _is_padded(module):
            raise DoesNotFit(
                f"{consumer.name} pads its input with zeros, so what the silent units "
                f"of {path.site} add cannot move to its bias."
            )
        bias: Tensor | None = module.bias  # type: ignore[assignment]
        if bias is None:
            raise DoesNotFit(f"{consumer.name} has no bias to take over a constant.")
        weight: Tensor = module.weight  # type: ignore[assignment]
        columns = consumer.columns(ids)
        read = (
            weight[:, columns].flatten(2).sum(dim=2)
            if weight.dim() > 2
            else (weight[:, columns])
        )
        bias += read @ constants.to(weight).repeat_interleave(consumer.block)


def _is_padded(module: object) -> bool:
    padding = getattr(module, "padding", 0)
    values = padding if isinstance(padding, tuple) else (padding,)
    return any(v not in (0, "valid") for v in values)


def _silence(path: Path, ids: Tensor) -> None:
    for consumer in path.consumers:
        weight: Tensor = consumer.module.weight  # type: ignore[assignment]
        weight[:, consumer.columns(ids)] = 0


def _forget(patient: Patient, path: Path, ids: Tensor) -> None:
    optimizer = patient.optimizer
    own = [path.weight, path.bias]
    own += [getattr(norm, n) for _, norm in path.norms for n in ("weight", "bias")]
    for parameter in own:
        if parameter is not None:
            _moments.forget(optimizer, parameter, ids, dim=0)
    for consumer in path.consumers:
        weight: Tensor = consumer.module.weight  # type: ignore[assignment]
        _moments.forget(optimizer, weight, consumer.columns(ids), dim=1)


def _must_have(path: Path, ids: Tensor) -> None:
    if int(ids.max()) >= path.units or int(ids.min()) < 0:
        raise DoesNotFit(
            f"{path.site} has {path.units} units, numbered from 0, and no unit "
            f"{int(ids.max())}."
        )


def _groups(after: Tensor, same: float) -> list[tuple[int, ...]]:
    """Units whose columns have one direction."""
    if len(after) < 2:
        return []
    columns = after.double()
    norms = columns.norm(dim=0)
    varies = columns.amax(dim=0) != columns.amin(dim=0)
    cosines = (columns.T @ columns) / (norms[:, None] * norms).clamp(min=_LEAST_NORM)
    left = {int(i) for i in varies.nonzero().reshape(-1)}
    groups = []
    for i in sorted(left):
        if i in left:
            alike = [j for j in sorted(left) if j >= i and float(cosines[i, j]) >= same]
            left -= set(alike)
            if len(alike) > 1:
                groups.append(tuple(alike))
    return groups
