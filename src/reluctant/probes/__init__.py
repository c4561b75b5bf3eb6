"""The catalogue of probes: one per file, listed by hand, sorted by name."""

from reluctant.probes._base import (
    ActivationProbe,
    GradientProbe,
    HeadPass,
    HeadProbe,
    InputPass,
    InputProbe,
    LayerPass,
    LayerProbe,
    Measurement,
    UpdateProbe,
    rms,
)
from reluctant.probes.firing import Firing
from reluctant.probes.grad_scale import GradScale
from reluctant.probes.head_outputs import HeadOutputs
from reluctant.probes.inputs import Inputs
from reluctant.probes.preact_scale import PreactScale
from reluctant.probes.saturation import Saturation
from reluctant.probes.unit_weights import UnitWeights
from reluctant.probes.update_size import UpdateSize

__all__ = [
    "PROBES",
    "ActivationProbe",
    "GradientProbe",
    "HeadPass",
    "HeadProbe",
    "InputPass",
    "InputProbe",
    "LayerPass",
    "LayerProbe",
    "Measurement",
    "Probe",
    "UpdateProbe",
    "rms",
]

Probe = (
    LayerProbe | ActivationProbe | HeadProbe | InputProbe | GradientProbe | UpdateProbe
)

PROBES: tuple[type[Probe], ...] = (
    Firing,
    GradScale,
    HeadOutputs,
    Inputs,
    PreactScale,
    Saturation,
    UnitWeights,
    UpdateSize,
)
