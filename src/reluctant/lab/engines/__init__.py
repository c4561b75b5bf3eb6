"""Engines that train many copies of a network: here, the fused one for plain MLPs."""

from reluctant.lab.engines._dataset import Dataset, shuffled_epochs
from reluctant.lab.engines._driver import train_many
from reluctant.lab.engines._rates import (
    constant,
    cosine,
    exponential,
    step_decay,
    warm_up,
)
from reluctant.lab.engines._recognize import (
    UnsupportedError,
    parameters_of,
    recognize,
)
from reluctant.lab.engines._run import Gauges, Records, Run, evaluate
from reluctant.lab.engines._spec import SGD, Adam, MLPSpec, Optimizer, Parameters

__all__ = [
    "SGD",
    "Adam",
    "Dataset",
    "Gauges",
    "MLPSpec",
    "Optimizer",
    "Parameters",
    "Records",
    "Run",
    "UnsupportedError",
    "constant",
    "cosine",
    "evaluate",
    "exponential",
    "parameters_of",
    "recognize",
    "shuffled_epochs",
    "step_decay",
    "train_many",
    "warm_up",
]
