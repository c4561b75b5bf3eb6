"""Death certificates: how surely a unit is dead, since when, and what could wake it."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import (
    DeathCertificate,
    Group,
    Layer,
    Quantity,
    Revival,
    Setup,
    Trace,
)
from reluctant.records.quantities import (
    DATA_BATCHES,
    PREACT_MAX,
    UNIT_BIAS,
    UNIT_BOUND,
    UNIT_CEILING,
    UNIT_DRIFT,
    UPDATE_RMS,
)
from reluctant.rules._silence import Silent, census, last_census

# weight decay that shrinks every entry by the same share of itself
_IN_PROPORTION = ("SGD", "AdamW")


class _Layer(NamedTuple):
    """What was measured of a layer's units last, shape `(units,)` each; nan if not."""

    bound: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    drift: NDArray[np.float64]
    top: NDArray[np.float64]
    bias: NDArray[np.float64]


def certificates(
    trace: Trace, s: Silent, mask: NDArray[np.bool_]
) -> tuple[DeathCertificate, ...]:
    """One for each unit of a layer that is called dead, by index."""
    size, site = mask.size, s.layer.site
    home = s.layer.bias.rpartition(".")[0]
    seen = _Layer(
        _last(trace, UNIT_BOUND, site, size),
        _last(trace, UNIT_CEILING, site, size),
        _last(trace, UNIT_DRIFT, site, size),
        _top(trace, s),
        _last(trace, UNIT_BIAS, home, size) if s.layer.bias else np.zeros(size),
    )
    below = _below(trace, s.layer)
    counted = last_census(trace, s.layer)
    first = census(trace, s.layer)
    found = []
    for unit in np.flatnonzero(mask).tolist():
        n, whole = float(s.samples[unit]), False
        for c in (counted, first if not s.ever[unit] else None):
            if c is not None and c.is_whole and c.fired.shape == mask.shape:
                n, whole = c.samples, True
                break
        found.append(
            DeathCertificate(
                site=site,
                unit=unit,
                samples=n,
                is_whole=whole,
                bound=float(seen.bound[unit]),
                since_step=int(s.since[unit]),
                died=_died(trace, int(s.since[unit])) if s.ever[unit] else "",
                revivals=tuple(_revivals(trace.setup, s.layer, seen, unit, below)),
            )
        )
    return tuple(found)


def in_short(found: Sequence[DeathCertificate]) -> str:
    """What the certificates of one layer say together, as a clause."""
    proven = sum(c.is_proven for c in found)
    known = [c for c in found if not math.isnan(c.bound)]
    parts = []
    if known:
        parts.append(f"no input in the range seen can fire {proven} of {len(found)}")
    waking: dict[str, int] = {}
    for c in found:
        for revival in c.can_wake:
            waking[revival.way] = waking.get(revival.way, 0) + 1
    parts += [f"{way} can wake {count}" for way, count in waking.items()]
    never = sum(not c.can_wake and not c.unknown for c in found)
    if never:
        parts.append(f"nothing can wake {never}")
    return "; ".join(parts)


def _revivals(
    setup: Setup, layer: Layer, seen: _Layer, unit: int, below: Revival
) -> Iterator[Revival]:
    ceiling = float(seen.ceiling[unit])
    if below.outcome != "cannot" and ceiling <= 0:
        below = Revival(
            way="the layers below",
            outcome="cannot",
            reason=f"whatever they send, it stays below {ceiling:.3g}",
        )
    yield below
    yield Revival(
        way="its own gradient",
        outcome="cannot",
        reason="a rectifier that is off gives its weights and bias none",
    )
    yield _momentum(float(seen.drift[unit]), float(seen.top[unit]))
    yield _decay(setup, layer, float(seen.top[unit]), float(seen.bias[unit]))


def _momentum(drift: float, top: float) -> Revival:
    if math.isnan(drift) or math.isnan(top):
        outcome, reason = "unknown", "what is left of it was not measured"
    elif drift == 0:
        outcome, reason = "cannot", "none is left"
    else:
        outcome = "can" if top + drift > 0 else "cannot"
        reason = f"it still adds at most {drift:.2g} to {top:.3g}"
    return Revival(way="momentum", outcome=outcome, reason=reason)  # type: ignore[arg-type]


def _decay(setup: Setup, layer: Layer, top: float, bias: float) -> Revival:
    """Whether shrinking weights and bias lifts a unit that no gradient moves.

    Shrunk in proportion, both keep the sign of their sum. The weight alone leaves the
    bias, the bias alone leaves what the weights make of the data.
    """
    on_weight, on_bias = (
        _decays(setup, name) for name in (layer.weight, layer.bias or layer.weight)
    )
    groups = [g for g in (on_weight, on_bias) if g is not None]

    def said(outcome: str, reason: str) -> Revival:
        return Revival(way="weight decay", outcome=outcome, reason=reason)  # type: ignore[arg-type]

    if not groups:
        return said("cannot", "there is none")
    if math.isnan(top) or math.isnan(bias):
        return said("unknown", "bias or pre-activation were not measured")
    rest = top - bias
    if on_weight is not None and on_weight is on_bias:
        if on_weight.optimizer in _IN_PROPORTION or not layer.bias:
            return said("cannot", "it shrinks weights and bias alike")
        can = bias > 0 or rest > 0
        reason = (
            f"it shrinks all alike by size, bias {bias:.3g} and the rest {rest:.3g}"
        )
        return said("can" if can else "cannot", reason)
    if on_bias is None:
        return said(
            "can" if bias > 0 else "cannot", f"it leaves the bias alone, {bias:.3g}"
        )
    if on_weight is None:
        return said(
            "can" if rest > 0 else "cannot",
            f"it takes the bias away, and the rest reaches {rest:.3g}",
        )
    can = bias > 0 or rest > 0
    reason = f"it shrinks the bias, {bias:.3g}, and the rest, {rest:.3g}, apart"
    return said("can" if can else "cannot", reason)


def _decays(setup: Setup, name: str) -> Group | None:
    """The group that lets a parameter decay; None if none does."""
    known = next((p for p in setup.parameters if p.name == name), None)
    if known is None or known.group is None or known.group >= len(setup.groups):
        return None
    group = setup.groups[known.group]
    rate = group.options.get("weight_decay")
    return group if isinstance(rate, int | float) and rate > 0 else None


def _below(trace: Trace, layer: Layer) -> Revival:
    """Whether what lies below a layer still moves."""

    def said(outcome: str, reason: str) -> Revival:
        return Revival(way="the layers below", outcome=outcome, reason=reason)  # type: ignore[arg-type]

    setup = trace.setup
    weights = _ancestors(setup, layer)
    if not weights:
        return said("cannot", "it reads the data alone")
    own = {p.name for p in setup.parameters if p.group is not None and p.requires_grad}
    trained = [name for name in weights if name in own]
    if not trained:
        return said("cannot", "none of them is trained")
    moves = {name: trace.series(UPDATE_RMS, name).values[-3:] for name in trained}
    moves = {name: v for name, v in moves.items() if v.size}
    if not moves:
        return said("unknown", "whether they still move was not measured")
    name = max(moves, key=lambda n: float(np.nan_to_num(moves[n]).max()))
    size = float(np.nan_to_num(moves[name]).max())
    if size == 0:
        return said("cannot", "none of them moves any more")
    return said("can", f"{name} still moves by {size:.1e} a step")


def _ancestors(setup: Setup, layer: Layer) -> list[str]:
    """Weights that a layer's input depends on; those listed before it, if unknown."""
    order = [x for x in setup.layers if "#" not in x.site]
    if layer.fed_by is None:
        sites = [x.site for x in order]
        at = sites.index(layer.site) if layer.site in sites else len(sites)
        return [x.weight for x in order[:at] if x.weight]
    owners = {x.weight: x for x in order if x.weight}
    found: dict[str, None] = {}
    front = list(layer.fed_by)
    while front:
        name = front.pop()
        if name not in found:
            found[name] = None
            owner = owners.get(name)
            if owner is not None:
                fed = owner.fed_by
                front += fed if fed is not None else _ancestors(setup, owner)
    return list(found)


def _died(trace: Trace, since: int) -> str:
    """The step whose update silenced a unit, and its batch."""
    step = since - 1
    batches = trace.series(DATA_BATCHES).values
    text = f"step {step:,}"
    if batches.size and batches[-1] >= 1:
        epoch, batch = divmod(step, int(batches[-1]))
        text += f", batch {batch + 1:,} of epoch {epoch + 1:,}"
    return text


def _top(trace: Trace, s: Silent) -> NDArray[np.float64]:
    """The largest pre-activation of each unit since it fell silent; nan if unseen."""
    at, values = trace.units(PREACT_MAX, s.layer.site)
    if values.shape[1:] != s.since.shape:
        return np.full(s.since.shape, np.nan)
    since = (at[:, None] >= s.since) & np.isfinite(values)
    top = np.where(since, values, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(np.isfinite(top), top, np.nan)


def _last(trace: Trace, what: Quantity, site: str, size: int) -> NDArray[np.float64]:
    """The last reading of each unit; nan where there is none."""
    values = trace.units(what, site).values
    if values.shape[1:] != (size,) or not len(values):
        return np.full(size, np.nan)
    return np.asarray(values[-1])
