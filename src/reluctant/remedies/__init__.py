"""The catalogue of remedies: one per file, listed by hand, sorted by name."""

from reluctant.remedies._base import Remedy
from reluctant.remedies.add_missing_parameters import AddMissingParameters
from reluctant.remedies.clean_the_input import CleanTheInput
from reluctant.remedies.lower_learning_rate import LowerLearningRate
from reluctant.remedies.reinitialize_for_activation import ReinitializeForActivation
from reluctant.remedies.swap_head_activation import SwapHeadActivation
from reluctant.remedies.swap_hidden_activation import SwapHiddenActivation
from reluctant.remedies.zero_the_gradients import ZeroTheGradients

__all__ = ["REMEDIES", "Remedy"]

REMEDIES: tuple[type[Remedy], ...] = (
    AddMissingParameters,
    CleanTheInput,
    LowerLearningRate,
    ReinitializeForActivation,
    SwapHeadActivation,
    SwapHiddenActivation,
    ZeroTheGradients,
)
