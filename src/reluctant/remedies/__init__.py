"""The catalogue of remedies: one per file, listed by hand, sorted by name."""

from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import at_dose
from reluctant.remedies.add_missing_parameters import AddMissingParameters
from reluctant.remedies.balance_units import BalanceUnits
from reluctant.remedies.bend_between_layers import BendBetweenLayers
from reluctant.remedies.clean_the_input import CleanTheInput
from reluctant.remedies.clip_gradients import ClipGradients
from reluctant.remedies.drop_less import DropLess
from reluctant.remedies.drop_units import DropUnits
from reluctant.remedies.edit_the_source import EditTheSource
from reluctant.remedies.fit_loss_to_targets import FitLossToTargets
from reluctant.remedies.initialize_from_data import InitializeFromData
from reluctant.remedies.leak_head import LeakHead
from reluctant.remedies.leak_hidden_units import LeakHiddenUnits
from reluctant.remedies.let_learning_rate_fall import LetLearningRateFall
from reluctant.remedies.lower_learning_rate import LowerLearningRate
from reluctant.remedies.match_loss_to_targets import MatchLossToTargets
from reluctant.remedies.raise_learning_rate import RaiseLearningRate
from reluctant.remedies.reinitialize_for_activation import ReinitializeForActivation
from reluctant.remedies.reinitialize_orthogonally import ReinitializeOrthogonally
from reluctant.remedies.repel_alike_units import RepelAlikeUnits
from reluctant.remedies.restart_with_selection import RestartWithSelection
from reluctant.remedies.revive_dead_outputs import ReviveDeadOutputs
from reluctant.remedies.revive_dead_units import ReviveDeadUnits
from reluctant.remedies.separate_the_samples import SeparateTheSamples
from reluctant.remedies.shrink_outgoing_weights import ShrinkOutgoingWeights
from reluctant.remedies.smooth_hidden_units import SmoothHiddenUnits
from reluctant.remedies.split_merged_units import SplitMergedUnits
from reluctant.remedies.standardize_inputs import StandardizeInputs
from reluctant.remedies.standardize_targets import StandardizeTargets
from reluctant.remedies.start_over import StartOver
from reluctant.remedies.swap_head_activation import SwapHeadActivation
from reluctant.remedies.swap_hidden_activation import SwapHiddenActivation
from reluctant.remedies.thaw_parameters import ThawParameters
from reluctant.remedies.train_in_training_mode import TrainInTrainingMode
from reluctant.remedies.use_adam import UseAdam
from reluctant.remedies.use_momentum import UseMomentum
from reluctant.remedies.warm_up_learning_rate import WarmUpLearningRate
from reluctant.remedies.weaken_weight_decay import WeakenWeightDecay
from reluctant.remedies.whiten_inputs import WhitenInputs
from reluctant.remedies.widen_layers import WidenLayers
from reluctant.remedies.widen_then_prune import WidenThenPrune
from reluctant.remedies.zero_outgoing_weights import ZeroOutgoingWeights
from reluctant.remedies.zero_the_gradients import ZeroTheGradients

__all__ = ["REMEDIES", "Remedy", "at_dose"]

REMEDIES: tuple[type[Remedy], ...] = (
    AddMissingParameters,
    BalanceUnits,
    BendBetweenLayers,
    CleanTheInput,
    ClipGradients,
    DropLess,
    DropUnits,
    EditTheSource,
    FitLossToTargets,
    InitializeFromData,
    LeakHead,
    LeakHiddenUnits,
    LetLearningRateFall,
    LowerLearningRate,
    MatchLossToTargets,
    RaiseLearningRate,
    ReinitializeForActivation,
    ReinitializeOrthogonally,
    RepelAlikeUnits,
    RestartWithSelection,
    ReviveDeadOutputs,
    ReviveDeadUnits,
    SeparateTheSamples,
    ShrinkOutgoingWeights,
    SmoothHiddenUnits,
    SplitMergedUnits,
    StandardizeInputs,
    StandardizeTargets,
    StartOver,
    SwapHeadActivation,
    SwapHiddenActivation,
    ThawParameters,
    TrainInTrainingMode,
    UseAdam,
    UseMomentum,
    WarmUpLearningRate,
    WeakenWeightDecay,
    WhitenInputs,
    WidenLayers,
    WidenThenPrune,
    ZeroOutgoingWeights,
    ZeroTheGradients,
)
