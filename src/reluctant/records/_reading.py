"""What a probe writes down: one value, at one place, at one step."""

from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = float | NDArray[np.generic]


class Quantity(msgspec.Struct, frozen=True):
    """Something that can be measured; the only word that probes and rules share.

    Attributes:
        name: Stable identifier, also the key in a recorded run.
        unit: Unit of the value, `"1"` where it has none.
        per: What one value belongs to. `"unit"`, `"output"` and `"feature"` values are
            arrays, shape `(units,)`, one entry for each of them; all others are single
            numbers.
        meaning: One line, precise enough to recompute it by hand.
    """

    name: str
    unit: str
    per: Literal["run", "group", "layer", "param", "unit", "output", "feature"]
    meaning: str


class Reading(msgspec.Struct, frozen=True, eq=False):
    """One measured value.

    Attributes:
        step: Optimizer steps taken before it was measured, counted from 0.
        quantity: The `name` of a `Quantity`.
        site: Dotted name of a module or parameter, as torch spells it; `""` for the
            whole run.
        value: A number, or an array of shape `(units,)`. nan and inf are values.
    """

    step: int
    quantity: str
    site: str
    value: Value


class Note(msgspec.Struct, frozen=True):
    """A fact that is no number: what went blind and why, where a nan came from.

    Attributes:
        step: Optimizer steps taken before it was noted.
        topic: What kind of fact: `"blind"`, `"nonfinite"`, `"pole"` and
            `"backward"` (where a gradient broke), `"end"`, `"cost"`, `"data"`,
            `"exam"` and `"exam-blind"`.
        site: What it is about: a probe, a module, a parameter; `""` for the run.
        text: The fact, as a clause that reads after the site.
    """

    step: int
    topic: str
    site: str
    text: str
