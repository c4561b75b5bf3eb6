"""What a remedy proposes: changes as data, so that they can be shown, saved, tried."""

from typing import Literal, TypeAlias

import msgspec


class ScaleLearningRate(msgspec.Struct, frozen=True, tag=True):
    """Multiply every parameter group's learning rate by `factor`."""

    factor: float


class ClipGradNorm(msgspec.Struct, frozen=True, tag=True):
    """Rescale gradients whose total norm exceeds `limit`."""

    limit: float


class Reinitialize(msgspec.Struct, frozen=True, tag=True):
    """Draw the weights of `sites` anew by `scheme`, biases 0.

    Attributes:
        sites: Modules with a weight; empty for all.
        scheme: `"he"`, `"glorot"`, `"lecun"` or `"orthogonal"`.
    """

    sites: tuple[str, ...]
    scheme: Literal["he", "glorot", "lecun", "orthogonal"]


class SwapActivation(msgspec.Struct, frozen=True, tag=True):
    """Replace the activation behind each of `sites` by `activation`.

    Attributes:
        sites: Layers, as the trace names them.
        activation: `"linear"` takes it away.
        slope: Of a leaky activation.
    """

    sites: tuple[str, ...]
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "tanh", "linear"]
    slope: float = 0.0


class AddParameters(msgspec.Struct, frozen=True, tag=True):
    """Hand `parameters` to the optimizer, in its first parameter group."""

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
    | ClipGradNorm
    | Reinitialize
    | SwapActivation
    | AddParameters
    | EditSource
)  # the closed list of edits


class Prescription(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that should cure one finding, and how far to trust them.

    Attributes:
        remedy: The remedy's name, such as `"lower-learning-rate"`.
        cures: Code of the finding.
        changes: In order of application.
        trust: `"safe"` keeps the function class and makes it easier to reach,
            `"invasive"` changes what is learnt, `"advice"` cannot be applied by us.
        because: One clause with the numbers.
        patch: The change as source code in the user's terms, `""` where there is none.
    """

    remedy: str
    cures: str
    changes: tuple[Change, ...]
    trust: Literal["safe", "invasive", "advice"]
    because: str
    patch: str = ""
