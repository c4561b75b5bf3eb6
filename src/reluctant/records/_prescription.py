"""What a remedy proposes: changes as data, so that they can be shown, saved, tried.

Longer than most files: the closed list of changes stands in one place.
"""

from typing import Literal, TypeAlias

import msgspec

Units: TypeAlias = dict[str, tuple[int, ...]]  # ids of units by layer; empty: find them


class ScaleLearningRate(msgspec.Struct, frozen=True, tag=True):
    """Multiply every parameter group's learning rate by `factor`."""

    factor: float


class WarmUp(msgspec.Struct, frozen=True, tag=True):
    """Let the learning rate rise to what it is, in a straight line.

    Attributes:
        steps: Until it is there.
    """

    steps: int


class DecayLearningRate(msgspec.Struct, frozen=True, tag=True):
    """Let the learning rate fall from what it is.

    Attributes:
        steps: Until the floor is reached; 0 for as many as the training is known to
            have left.
        shape: `"linear"`, `"cosine"`, or `"exponential"`.
        begin: Share of the steps before it begins to fall.
        floor: What is left of the rate; above 0 for `"exponential"`.
    """

    steps: int = 0
    shape: Literal["linear", "cosine", "exponential"] = "cosine"
    begin: float = 0.0
    floor: float = 0.01


class SwapOptimizer(msgspec.Struct, frozen=True, tag=True):
    """Step by another rule, with a fresh state.

    Attributes:
        optimizer: `"sgd"`, `"momentum"`, `"adam"` or `"adamw"`.
        rate: Learning rate of all groups.
        momentum: Of `"momentum"`.
    """

    optimizer: Literal["sgd", "momentum", "adam", "adamw"]
    rate: float
    momentum: float = 0.9


class ClipGradNorm(msgspec.Struct, frozen=True, tag=True):
    """Rescale gradients whose total norm exceeds `limit`; 0 takes a usual norm."""

    limit: float


class Reinitialize(msgspec.Struct, frozen=True, tag=True):
    """Draw the weights of `sites` anew by `scheme`, biases 0.

    Attributes:
        sites: Modules with a weight; empty for all.
        scheme: `"he"`, `"glorot"`, `"lecun"` or `"orthogonal"`; `"lsuv"` is orthogonal,
            then scaled until each layer's outputs have variance 1 on a batch.
    """

    sites: tuple[str, ...]
    scheme: Literal["he", "glorot", "lecun", "orthogonal", "lsuv"]


class Restart(msgspec.Struct, frozen=True, tag=True):
    """Draw every parameter anew as it was drawn before, optimizer state empty."""


class RestartSelected(msgspec.Struct, frozen=True, tag=True):
    """Start many times, train each a little, keep the best, train them more, and so on.

    Attributes:
        starts: How many at first.
        keep: Share that is kept after each round; the rounds end with one left.
        share: Of the steps of the whole training that the rounds may take together.
        rate: What the learning rate is multiplied by in the rounds.
    """

    starts: int = 27
    keep: float = 1 / 3
    share: float = 0.75
    rate: float = 1.0


class ScaleOutgoing(msgspec.Struct, frozen=True, tag=True):
    """Multiply the weights that read the units of `sites`.

    Attributes:
        sites: Layers whose units are read; empty for the last hidden one.
        factor: 0 makes the units silent to what follows, and their signs free.
    """

    sites: tuple[str, ...] = ()
    factor: float = 0.0


class RescaleUnits(msgspec.Struct, frozen=True, tag=True):
    """Move scale from a unit's outgoing to its incoming weights; the function stays.

    Attributes:
        sites: Layers of rectified units; empty for all hidden ones.
        ratio: Length of the outgoing over that of the incoming weights, bias included.
    """

    sites: tuple[str, ...] = ()
    ratio: float = 0.1


class StandardizeInput(msgspec.Struct, frozen=True, tag=True):
    """Feed the first layer inputs of mean 0 and deviation 1.

    Attributes:
        mean: Of each feature, or channel; empty: measured on the data when applied.
        std: Likewise.
        keep_function: Whether the first layer takes the scaling back at once, so that
            only the way ahead changes.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    keep_function: bool = False


class StandardizeTarget(msgspec.Struct, frozen=True, tag=True):
    """Let the last layer put out standardized targets, and scale them back behind it.

    Attributes:
        mean: Of each output; empty: measured on the data when applied.
        std: Likewise.
        keep_function: Whether the last layer takes the scaling back at once.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    keep_function: bool = False


class WhitenInput(msgspec.Struct, frozen=True, tag=True):
    """Feed the first layer columns of mean 0 and deviation 1 that do not correlate.

    Attributes:
        mean: Of each column; empty: measured on the data when applied.
        matrix: What a row less the mean is multiplied by, from the right; likewise.
        keep_function: Whether the first layer takes the whitening back at once, so that
            only the way ahead changes.
    """

    mean: tuple[float, ...] = ()
    matrix: tuple[tuple[float, ...], ...] = ()
    keep_function: bool = False


class SwapActivation(msgspec.Struct, frozen=True, tag=True):
    """Replace the activation behind each of `sites` by `activation`.

    Attributes:
        sites: Layers, as the trace names them; empty for all hidden ones.
        activation: `"linear"` takes it away.
        slope: Of a leaky activation.
    """

    sites: tuple[str, ...]
    activation: Literal[
        "relu",
        "leaky_relu",
        "elu",
        "gelu",
        "selu",
        "silu",
        "softplus",
        "tanh",
        "linear",
    ]
    slope: float = 0.0


class UnboundOutputs(msgspec.Struct, frozen=True, tag=True):
    """Take off the softmax, sigmoid, … through which the outputs leave the model."""


class InsertActivation(msgspec.Struct, frozen=True, tag=True):
    """Put an activation behind layers that another layer reads as they are.

    Attributes:
        sites: Layers, as the trace names them; empty for all such.
        activation: What is put there.
    """

    sites: tuple[str, ...] = ()
    activation: Literal["relu", "tanh"] = "relu"


class SwapLoss(msgspec.Struct, frozen=True, tag=True):
    """Measure the error in another way.

    Attributes:
        loss: As torch names it; targets are turned from classes to one-hot rows, or
            back, where it needs them. `"suited"` is told from the targets when applied:
            cross-entropy for classes, the binary one for yes and no, else the squared
            error.
        reduction: Over the samples of a batch.
    """

    loss: Literal[
        "cross-entropy", "mse", "l1", "huber", "nll", "bce-with-logits", "suited"
    ]
    reduction: Literal["mean", "sum"] = "mean"


class ReviveUnits(msgspec.Struct, frozen=True, tag=True):
    """Give dead units new incoming weights, and outgoing ones of 0.

    The function stays what it was; optimizer moments of what was touched are reset.

    Attributes:
        units: By layer; empty: all that are silent on the data when applied.
        fires: Share of the data on which a revived unit fires.
    """

    units: Units = {}
    fires: float = 0.5


class ReviveOutputs(msgspec.Struct, frozen=True, tag=True):
    """Let outputs behind a rectifier that are silent start over at their mean target.

    Attributes:
        units: By layer; empty: all that are silent on the data when applied.
    """

    units: Units = {}


class SplitUnits(msgspec.Struct, frozen=True, tag=True):
    """Let one of several units that do the same do their work; draw the others anew.

    The function stays what it was; optimizer moments of what was touched are reset.

    Attributes:
        units: By layer, the units of one direction; empty: found when applied.
        same: Cosine from which two units, with their biases, are the same.
    """

    units: Units = {}
    same: float = 0.9999


class RepelUnits(msgspec.Struct, frozen=True, tag=True):
    """Add `strength` × the mean squared cosine of a layer's units to the loss.

    Attributes:
        sites: Layers; empty for all hidden ones.
        strength: In units of the loss.
        steps: After which it ends; 0 for never.
    """

    sites: tuple[str, ...] = ()
    strength: float = 0.1
    steps: int = 0


class Widen(msgspec.Struct, frozen=True, tag=True):
    """Give layers more units, whose outgoing weights are 0: the function stays.

    Attributes:
        sites: Layers; empty for all hidden ones.
        factor: Units after over units before.
    """

    sites: tuple[str, ...] = ()
    factor: float = 2.0


class Prune(msgspec.Struct, frozen=True, tag=True):
    """Take units away that are missed least, and refit what reads the others.

    Attributes:
        sites: Layers; empty for all hidden ones.
        factor: Units after over units before.
        after: Share of the steps of the whole training that come before it.
    """

    sites: tuple[str, ...] = ()
    factor: float = 0.5
    after: float = 0.0


class AddDropout(msgspec.Struct, frozen=True, tag=True):
    """Drop units of `sites` at random in training.

    Attributes:
        sites: Layers; empty for all hidden ones.
        share: Of the units.
    """

    sites: tuple[str, ...] = ()
    share: float = 0.1


class ScaleDropout(msgspec.Struct, frozen=True, tag=True):
    """Drop `factor` times as much in every dropout layer."""

    factor: float


class ScaleWeightDecay(msgspec.Struct, frozen=True, tag=True):
    """Multiply every parameter group's weight decay by `factor`."""

    factor: float


class TrainMode(msgspec.Struct, frozen=True, tag=True):
    """Put the model and all its modules into training mode."""


class AddParameters(msgspec.Struct, frozen=True, tag=True):
    """Hand `parameters` to the optimizer, in its first parameter group.

    Those that are frozen are thawed.
    """

    parameters: tuple[str, ...]


class EditSource(msgspec.Struct, frozen=True, tag=True):
    """A change of the user's own loop that only the user can make.

    Attributes:
        before: The line as it usually stands; `""` where a line is added.
        after: The line as it should stand.
        where: Which place is meant, in words.
    """

    before: str
    after: str
    where: str


Change: TypeAlias = (
    ScaleLearningRate
    | WarmUp
    | DecayLearningRate
    | SwapOptimizer
    | ClipGradNorm
    | Reinitialize
    | Restart
    | RestartSelected
    | ScaleOutgoing
    | RescaleUnits
    | StandardizeInput
    | StandardizeTarget
    | SwapActivation
    | SwapLoss
    | ReviveUnits
    | ReviveOutputs
    | SplitUnits
    | RepelUnits
    | Widen
    | Prune
    | AddDropout
    | AddParameters
    | InsertActivation
    | ScaleDropout
    | ScaleWeightDecay
    | TrainMode
    | UnboundOutputs
    | WhitenInput
    | EditSource
)  # the closed list of edits

Trust: TypeAlias = Literal["safe", "invasive", "advice"]


class Prescription(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that should cure one finding, and how far to trust them.

    Attributes:
        remedy: The remedy's name, such as `"lower-learning-rate"`.
        cures: Code of the finding; `""` where it is tried without one.
        changes: In order of application.
        trust: `"safe"` keeps the function class and makes it easier to reach,
            `"invasive"` changes what is learnt, `"advice"` cannot be applied by us.
        because: One clause with the numbers.
        patch: The change as source code in the user's terms, `""` where there is none.
    """

    remedy: str
    cures: str
    changes: tuple[Change, ...]
    trust: Trust
    because: str
    patch: str = ""
