"""Prescriptions in words and in source code."""

from reluctant.records import (
    AddDropout,
    AddParameters,
    Change,
    ClipGradNorm,
    DecayLearningRate,
    EditSource,
    InsertActivation,
    Prescription,
    Prune,
    Reinitialize,
    RepelUnits,
    RescaleUnits,
    Restart,
    RestartSelected,
    ReviveOutputs,
    ReviveUnits,
    ScaleDropout,
    ScaleLearningRate,
    ScaleOutgoing,
    ScaleWeightDecay,
    SplitUnits,
    StandardizeInput,
    StandardizeTarget,
    SwapActivation,
    SwapLoss,
    SwapOptimizer,
    TrainMode,
    UnboundOutputs,
    WarmUp,
    WhitenInput,
    Widen,
)
from reluctant.report._page import names, printable


def title_of(cure: Prescription) -> str:
    """The remedy's name as an order: `lower-learning-rate` → `Lower learning rate`."""
    words = cure.remedy.replace("-", " ")
    return words[:1].upper() + words[1:]


def code_of(cure: Prescription) -> list[str]:
    """The patch, line by line; without one, what each change does."""
    if cure.patch:
        return [_safe(line) for line in cure.patch.strip("\n").splitlines()]
    return [line for change in cure.changes for line in _lines(change)]


def words_of(change: Change) -> str:
    """A change as one clause."""
    return "; ".join(line.removeprefix("# ") for line in _lines(change))


def _lines(change: Change) -> list[str]:
    """A change as source code or, where it has none, as a comment."""
    match change:
        case EditSource(before, after, where):
            old = [f"- {_safe(line)}" for line in before.splitlines()]
            new = [f"+ {_safe(line)}" for line in after.splitlines()]
            return [f"# {_safe(where)}", *old, *new]
        case ScaleLearningRate(factor):
            return [f"# every learning rate × {factor:.4g}"]
        case ClipGradNorm(limit):
            return [f"# gradients clipped to a total norm of {limit:.4g}"]
        case Reinitialize(sites, scheme):
            return [f"# weights of {_sites(sites)} drawn anew by {scheme}, biases 0"]
        case SwapActivation(sites, activation, _):
            return [f"# the activation behind {_sites(sites)} becomes {activation}"]
        case UnboundOutputs():
            return ["# what bounds the outputs is taken off"]
        case InsertActivation(sites, activation):
            return [f"# {activation} put behind {_sites(sites)}"]
        case ScaleDropout(factor):
            return [f"# every dropout × {factor:.3g}"]
        case ScaleWeightDecay(factor):
            return [f"# every weight decay × {factor:.3g}"]
        case TrainMode():
            return ["# the model in training mode"]
        case AddParameters(parameters):
            return [f"# the optimizer also gets {names(parameters, 4)}"]
        case WarmUp(steps):
            return [f"# the learning rate rises over the first {steps:,} steps"]
        case DecayLearningRate(steps, shape, begin, floor):
            over = f"over {steps:,} steps" if steps else "to the end"
            since = f", from {begin:.0%} of them on" if begin else ""
            return [
                f"# the learning rate falls to {floor:.3g} of it {over}"
                f" ({shape}{since})"
            ]
        case SwapOptimizer(optimizer, rate, momentum):
            with_it = f" of {momentum:g}" if optimizer == "momentum" else ""
            return [f"# the optimizer becomes {optimizer}{with_it} at rate {rate:.3g}"]
        case Restart():
            return ["# all parameters drawn anew"]
        case RestartSelected(starts, keep, share, rate):
            return [
                f"# {starts} starts, each trained a little at {rate:.3g} × the rate, "
                f"the best {keep:.0%} kept and trained more, until one is left; "
                f"{share:.0%} of all steps go there"
            ]
        case ScaleOutgoing(sites, factor):
            place = names(sites, 4) if sites else "the last hidden layer"
            return [f"# the weights that read {place} × {factor:.3g}"]
        case RescaleUnits(sites, ratio):
            return [
                f"# outgoing weights of {_sites(sites)} brought to {ratio:.3g} of the "
                "incoming ones, the function kept"
            ]
        case StandardizeInput(_, _, keep):
            return [f"# inputs standardized{', the function kept' if keep else ''}"]
        case StandardizeTarget(_, _, keep):
            return [f"# targets standardized{', the function kept' if keep else ''}"]
        case WhitenInput(_, _, keep):
            return [f"# inputs whitened{', the function kept' if keep else ''}"]
        case SwapLoss(loss, reduction):
            which = "the one that suits the targets" if loss == "suited" else loss
            return [f"# the loss becomes {which}, {reduction} over the batch"]
        case ReviveUnits(units, fires):
            return [
                f"# {_units(units, 'dead units')} get new incoming weights, fire on "
                f"{fires:.0%} of the data, and are read with weight 0"
            ]
        case ReviveOutputs(units):
            return [f"# {_units(units, 'dead outputs')} start over at the mean target"]
        case SplitUnits(units, _):
            return [
                f"# of {_units(units, 'merged units')} one does the work of all, the "
                "others start over, read with weight 0"
            ]
        case RepelUnits(sites, strength, _):
            return [f"# units of {_sites(sites)} repel each other by {strength:.3g}"]
        case Widen(sites, factor):
            return [f"# {_sites(sites)} × {factor:.3g} units, the function kept"]
        case Prune(sites, factor, after):
            when = f" after {after:.0%} of the steps" if after else ""
            return [f"# {_sites(sites)} pruned to {factor:.3g} of their units{when}"]
        case AddDropout(sites, share):
            return [f"# {share:.0%} of the units of {_sites(sites)} dropped at random"]


def _sites(sites: tuple[str, ...]) -> str:
    return names(sites, 4) if sites else "all layers"


def _units(units: dict[str, tuple[int, ...]], otherwise: str) -> str:
    if not units:
        return f"all {otherwise}"
    return "; ".join(
        f"units {names(ids, 8)} of {printable(s)}" for s, ids in units.items()
    )


def _safe(line: str) -> str:
    """The line with its indentation; what could steer a terminal is written out."""
    line = line.expandtabs(4)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
