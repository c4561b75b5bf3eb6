"""The catalogue of rules: one per file, listed by hand, sorted by code."""

from reluctant.rules._base import Blind, EnsembleRule, Problem, Rule
from reluctant.rules._causes import CAUSES, OF_THE_REPORT
from reluctant.rules.data.constant_feature import ConstantFeature
from reluctant.rules.data.duplicate_batch import DuplicateBatch
from reluctant.rules.data.imbalance import Imbalance
from reluctant.rules.data.label_noise import LabelNoise
from reluctant.rules.data.reshaped_image import ReshapedImage
from reluctant.rules.data.skewed_input import SkewedInput
from reluctant.rules.data.unscaled_input import UnscaledInput
from reluctant.rules.data.unscaled_target import UnscaledTarget
from reluctant.rules.data.unshuffled import Unshuffled
from reluctant.rules.ensemble.seed_lottery import SeedLottery
from reluctant.rules.ensemble.stuck_basin import StuckBasin
from reluctant.rules.ensemble.threshold_within_reach import ThresholdWithinReach
from reluctant.rules.ensemble.width_starved import WidthStarved
from reluctant.rules.fit.cannot_overfit_one_batch import CannotOverfitOneBatch
from reluctant.rules.fit.not_yet_converged import NotYetConverged
from reluctant.rules.fit.overfit import Overfit
from reluctant.rules.fit.underfit_plateau import UnderfitPlateau
from reluctant.rules.gradient.clipped_always import ClippedAlways
from reluctant.rules.gradient.exploding_gradient import ExplodingGradient
from reluctant.rules.gradient.ill_conditioned import IllConditioned
from reluctant.rules.gradient.no_gradient import NoGradient
from reluctant.rules.gradient.vanishing_gradient import VanishingGradient
from reluctant.rules.head.constant_predictor import ConstantPredictor
from reluctant.rules.head.double_softmax import DoubleSoftmax
from reluctant.rules.head.logits_as_probabilities import LogitsAsProbabilities
from reluctant.rules.head.probabilities_as_logits import ProbabilitiesAsLogits
from reluctant.rules.head.relu_head import ReluHead
from reluctant.rules.head.sum_reduction import SumReduction
from reluctant.rules.head.unreachable_target import UnreachableTarget
from reluctant.rules.head.wrong_loss_for_targets import WrongLossForTargets
from reluctant.rules.initial_state.born_dead_risk import BornDeadRisk
from reluctant.rules.initial_state.scale_too_large import ScaleTooLarge
from reluctant.rules.initial_state.scale_too_small import ScaleTooSmall
from reluctant.rules.initial_state.sign_frozen_unit import SignFrozenUnit
from reluctant.rules.initial_state.symmetric_init import SymmetricInit
from reluctant.rules.initial_state.wrong_scheme_for_activation import (
    WrongSchemeForActivation,
)
from reluctant.rules.loop.bias_before_norm import BiasBeforeNorm
from reluctant.rules.loop.excessive_dropout import ExcessiveDropout
from reluctant.rules.loop.frozen_parameter import FrozenParameter
from reluctant.rules.loop.gradients_not_zeroed import GradientsNotZeroed
from reluctant.rules.loop.inverted_padding_mask import InvertedPaddingMask
from reluctant.rules.loop.leak_across_batch import LeakAcrossBatch
from reluctant.rules.loop.many_batches_a_step import ManyBatchesAStep
from reluctant.rules.loop.missing_nonlinearity import MissingNonlinearity
from reluctant.rules.loop.never_stepped import NeverStepped
from reluctant.rules.loop.no_positions import NoPositions
from reluctant.rules.loop.parameter_not_in_optimizer import ParameterNotInOptimizer
from reluctant.rules.loop.step_without_backward import StepWithoutBackward
from reluctant.rules.loop.target_leak import TargetLeak
from reluctant.rules.loop.wrong_mode import WrongMode
from reluctant.rules.numerics.half_precision_underflow import HalfPrecisionUnderflow
from reluctant.rules.numerics.nonfinite_data import NonfiniteData
from reluctant.rules.numerics.nonfinite_gradient import NonfiniteGradient
from reluctant.rules.numerics.nonfinite_loss import NonfiniteLoss
from reluctant.rules.numerics.overflow_ahead import OverflowAhead
from reluctant.rules.numerics.scaler_skips import ScalerSkips
from reluctant.rules.step_size.divergence import Divergence
from reluctant.rules.step_size.endless_warm_up import EndlessWarmUp
from reluctant.rules.step_size.excessive_weight_decay import ExcessiveWeightDecay
from reluctant.rules.step_size.group_without_rate import GroupWithoutRate
from reluctant.rules.step_size.noise_floor import NoiseFloor
from reluctant.rules.step_size.oscillating_loss import OscillatingLoss
from reluctant.rules.step_size.rate_gone_early import RateGoneEarly
from reluctant.rules.step_size.single_step_catastrophe import SingleStepCatastrophe
from reluctant.rules.step_size.step_near_limit import StepNearLimit
from reluctant.rules.step_size.step_past_limit import StepPastLimit
from reluctant.rules.step_size.step_too_small import StepTooSmall
from reluctant.rules.units.born_dead_unit import BornDeadUnit
from reluctant.rules.units.dead_layer import DeadLayer
from reluctant.rules.units.dead_output_unit import DeadOutputUnit
from reluctant.rules.units.dead_unit import DeadUnit
from reluctant.rules.units.exploded_activation import ExplodedActivation
from reluctant.rules.units.merged_units import MergedUnits
from reluctant.rules.units.saturated_unit import SaturatedUnit

__all__ = [
    "CAUSES",
    "ENSEMBLE_RULES",
    "OF_THE_REPORT",
    "RULES",
    "Blind",
    "EnsembleRule",
    "Problem",
    "Rule",
]

RULES: tuple[type[Rule], ...] = (
    UnscaledInput,  # DAT101
    SkewedInput,  # DAT102
    UnscaledTarget,  # DAT103
    DuplicateBatch,  # DAT201
    Unshuffled,  # DAT202
    Imbalance,  # DAT301
    LabelNoise,  # DAT302
    ConstantFeature,  # DAT401
    ReshapedImage,  # DAT402
    CannotOverfitOneBatch,  # FIT101
    UnderfitPlateau,  # FIT201
    Overfit,  # FIT401
    NotYetConverged,  # FIT501
    VanishingGradient,  # GRD101
    ExplodingGradient,  # GRD102
    NoGradient,  # GRD301
    ClippedAlways,  # GRD401
    IllConditioned,  # GRD501
    ConstantPredictor,  # HED101
    DoubleSoftmax,  # HED201
    ProbabilitiesAsLogits,  # HED202
    LogitsAsProbabilities,  # HED203
    ReluHead,  # HED301
    UnreachableTarget,  # HED302
    WrongLossForTargets,  # HED401
    SumReduction,  # HED501
    ScaleTooSmall,  # INI101
    ScaleTooLarge,  # INI102
    WrongSchemeForActivation,  # INI201
    SymmetricInit,  # INI301
    SignFrozenUnit,  # INI401
    BornDeadRisk,  # INI501
    GradientsNotZeroed,  # LOP101
    ManyBatchesAStep,  # LOP102
    ParameterNotInOptimizer,  # LOP201
    FrozenParameter,  # LOP202
    WrongMode,  # LOP301
    StepWithoutBackward,  # LOP302
    NeverStepped,  # LOP303
    LeakAcrossBatch,  # LOP401
    TargetLeak,  # LOP402
    InvertedPaddingMask,  # LOP403
    NoPositions,  # LOP404
    MissingNonlinearity,  # LOP501
    BiasBeforeNorm,  # LOP502
    ExcessiveDropout,  # LOP503
    NonfiniteLoss,  # NUM101
    NonfiniteData,  # NUM102
    NonfiniteGradient,  # NUM103
    OverflowAhead,  # NUM201
    HalfPrecisionUnderflow,  # NUM301
    ScalerSkips,  # NUM302
    StepPastLimit,  # STP101
    StepNearLimit,  # STP102
    OscillatingLoss,  # STP103
    Divergence,  # STP201
    StepTooSmall,  # STP301
    RateGoneEarly,  # STP302
    GroupWithoutRate,  # STP303
    EndlessWarmUp,  # STP304
    ExcessiveWeightDecay,  # STP401
    SingleStepCatastrophe,  # STP501
    NoiseFloor,  # STP601
    DeadUnit,  # UNT101
    DeadLayer,  # UNT102
    BornDeadUnit,  # UNT103
    DeadOutputUnit,  # UNT201
    MergedUnits,  # UNT301
    SaturatedUnit,  # UNT401
    ExplodedActivation,  # UNT501
)

# asked of a success map, many trainings of one recipe, and not of a trace
ENSEMBLE_RULES: tuple[type[EnsembleRule], ...] = (
    ThresholdWithinReach,  # ENS101
    SeedLottery,  # ENS201
    WidthStarved,  # ENS301
    StuckBasin,  # FIT301
)
