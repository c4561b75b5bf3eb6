"""The nouns of reluctant: plain, frozen, serializable, torch-free.

Every arrow in the pipeline is a function from one of these records to another.
"""

from reluctant.records._diagnosis import Check, Diagnosis
from reluctant.records._errors import ReluctantError, TraceError, UsageError
from reluctant.records._figure import (
    Axis,
    Bar,
    Bars,
    Figure,
    Heatmap,
    Image,
    Images,
    Line,
    Lines,
    Mark,
    Points,
    Scatter,
)
from reluctant.records._finding import Confidence, Evidence, Finding, Severity
from reluctant.records._prescription import (
    AddParameters,
    Change,
    ClipGradNorm,
    EditSource,
    Prescription,
    Reinitialize,
    ScaleLearningRate,
    SwapActivation,
)
from reluctant.records._reading import Note, Quantity, Reading, Value
from reluctant.records._setup import Group, Layer, Loss, Module, Parameter, Setup
from reluctant.records._success_map import (
    MapCell,
    MapRun,
    MapSlice,
    SeedThreshold,
    SuccessMap,
    Threshold,
)
from reluctant.records._trace import Series, Trace, UnitSeries

__all__ = [
    "AddParameters",
    "Axis",
    "Bar",
    "Bars",
    "Change",
    "Check",
    "ClipGradNorm",
    "Confidence",
    "Diagnosis",
    "EditSource",
    "Evidence",
    "Figure",
    "Finding",
    "Group",
    "Heatmap",
    "Image",
    "Images",
    "Layer",
    "Line",
    "Lines",
    "Loss",
    "MapCell",
    "MapRun",
    "MapSlice",
    "Mark",
    "Module",
    "Note",
    "Parameter",
    "Points",
    "Prescription",
    "Quantity",
    "Reading",
    "Reinitialize",
    "ReluctantError",
    "ScaleLearningRate",
    "Scatter",
    "SeedThreshold",
    "Series",
    "Setup",
    "Severity",
    "SuccessMap",
    "SwapActivation",
    "Threshold",
    "Trace",
    "TraceError",
    "UnitSeries",
    "UsageError",
    "Value",
]
