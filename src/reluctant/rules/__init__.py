"""The catalogue of rules: one per file, listed by hand, sorted by code."""

from reluctant.rules._base import Blind, Rule
from reluctant.rules._causes import CAUSES
from reluctant.rules.fit.cannot_overfit_one_batch import CannotOverfitOneBatch
from reluctant.rules.gradient.exploding_gradient import ExplodingGradient
from reluctant.rules.gradient.vanishing_gradient import VanishingGradient
from reluctant.rules.head.constant_predictor import ConstantPredictor
from reluctant.rules.initial_state.scale_too_large import ScaleTooLarge
from reluctant.rules.initial_state.scale_too_small import ScaleTooSmall
from reluctant.rules.loop.gradients_not_zeroed import GradientsNotZeroed
from reluctant.rules.loop.leak_across_batch import LeakAcrossBatch
from reluctant.rules.loop.parameter_not_in_optimizer import ParameterNotInOptimizer
from reluctant.rules.numerics.nonfinite_loss import NonfiniteLoss
from reluctant.rules.step_size.divergence import Divergence
from reluctant.rules.step_size.step_past_limit import StepPastLimit
from reluctant.rules.units.dead_layer import DeadLayer
from reluctant.rules.units.dead_output_unit import DeadOutputUnit
from reluctant.rules.units.dead_unit import DeadUnit

__all__ = ["CAUSES", "RULES", "Blind", "Rule"]

RULES: tuple[type[Rule], ...] = (
    CannotOverfitOneBatch,  # FIT101
    VanishingGradient,  # GRD101
    ExplodingGradient,  # GRD102
    ConstantPredictor,  # HED101
    ScaleTooSmall,  # INI101
    ScaleTooLarge,  # INI102
    GradientsNotZeroed,  # LOP101
    ParameterNotInOptimizer,  # LOP201
    LeakAcrossBatch,  # LOP401
    NonfiniteLoss,  # NUM101
    StepPastLimit,  # STP101
    Divergence,  # STP201
    DeadUnit,  # UNT101
    DeadLayer,  # UNT102
    DeadOutputUnit,  # UNT201
)
