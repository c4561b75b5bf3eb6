"""Every quantity that reluctant measures, one constant each, sorted by name."""

from reluctant.records._reading import Quantity

ATTENDED_NUMBERS = Quantity(
    "attended_numbers",
    "1",
    "run",
    "different whole numbers among the inputs at the places that a key padding mask "
    "leaves to attention, where it cuts each row once and rows differ in length",
)
BATCH_MARK = Quantity(
    "batch_mark",
    "1",
    "run",
    "a number that is the same for the same first input: its entries weighted by "
    "sin(i)",
)
BATCH_SAMPLES = Quantity(
    "batch_samples",
    "1",
    "run",
    "samples that the model saw in training mode in one sampled step",
)
CENSUS_FIRED = Quantity(
    "census_fired",
    "1",
    "unit",
    "share of the census' samples that the unit fired on at least once",
)
CENSUS_MAX = Quantity(
    "census_max", "1", "unit", "largest pre-activation of the unit in the census"
)
CENSUS_SAMPLES = Quantity(
    "census_samples",
    "1",
    "run",
    "samples of the census: one pass over the data at fixed weights, dropout off",
)
CENSUS_WHOLE = Quantity(
    "census_whole", "1", "run", "1 if the census went over all of the data, else 0"
)
CLASS_RIGHT = Quantity(
    "class_right",
    "1",
    "output",
    "samples of each class in the batch whose largest output is that class",
)
CONSTANT_ERROR = Quantity(
    "constant_error", "1", "run", "relative standard error of constant_loss"
)
CONSTANT_LOSS = Quantity(
    "constant_loss",
    "loss",
    "run",
    "of an absolute or a Huber error: what the best constant of each output would lose "
    "on the targets seen late in the run so far; nan where samples have weights",
)
COPIED_UNITS = Quantity(
    "copied_units",
    "1",
    "layer",
    "units whose incoming weights and bias are those of an earlier unit, up to a "
    "positive scale",
)
DATA_BATCHES = Quantity(
    "data_batches", "1", "run", "batches of one epoch; those seen where it is longer"
)
EVALUATED_TRAINING = Quantity(
    "evaluated_training",
    "1",
    "run",
    "share of the batch norms (of dropouts, too, where losses are handed over) that "
    "were in training mode while losses were computed without gradients, by place in "
    "the script",
)
EVALUATION_INPUTS = Quantity(
    "evaluation_inputs", "1", "run", "different first inputs of one evaluation's passes"
)
EVALUATION_PASSES = Quantity(
    "evaluation_passes",
    "1",
    "run",
    "passes of the model without gradients, after ten training steps or more without "
    "any; counted up to 128",
)
EVALUATION_SAMPLES = Quantity(
    "evaluation_samples", "1", "run", "mean samples of one evaluation's passes"
)
EVALUATION_TRAINING = Quantity(
    "evaluation_training",
    "1",
    "run",
    "least share of the dropouts and batch norms that were in training mode in one "
    "evaluation's passes; nan where passes without gradients are part of the training",
)
EXAM_S = Quantity("exam_s", "s", "run", "time that one exam of a check took, by exam")
FIRING_RATE = Quantity(
    "firing_rate",
    "1",
    "unit",
    "share of positions (samples × space) with a pre-activation > 0, one sampled step",
)
FUTURE_LEAK = Quantity(
    "future_leak",
    "1",
    "layer",
    "gradient of the output at one place of a sequence by the input at the next, over "
    "that by the inputs at all places",
)
GRAD_KEPT = Quantity(
    "grad_kept",
    "1",
    "run",
    "1 if the last step's gradients were still there when backward() began, else 0",
)
GRAD_MAX = Quantity(
    "grad_max",
    "loss/param",
    "param",
    "largest |g| of a parameter's entries, as the optimizer saw it",
)
GRAD_MISSING = Quantity(
    "grad_missing",
    "1",
    "run",
    "share of an optimizer's parameters without a gradient, or with nothing but zeros, "
    "when it stepped",
)
GRAD_NONFINITE = Quantity(
    "grad_nonfinite", "1", "param", "share of gradient entries that are nan or inf"
)
GRAD_REACHED = Quantity(
    "grad_reached",
    "1",
    "unit",
    "1 if the unit's bias got any non-zero gradient in the last reach_steps steps",
)
GRAD_RMS = Quantity(
    "grad_rms",
    "loss/param",
    "param",
    "sqrt(mean(g²)) over a parameter's entries, as the optimizer saw it",
)
GRAD_SCALE = Quantity(
    "grad_scale",
    "1",
    "run",
    "what a gradient scaler multiplied the loss by, when it was last looked at",
)
HELD_OUT_LOSS = Quantity(
    "held_out_loss",
    "loss",
    "run",
    "mean of the losses that were computed without gradients since the last training "
    "step, by place in the script",
)
IMAGE_ECHOES = Quantity(
    "image_echoes",
    "1",
    "feature",
    "correlation of an image's steps between neighbors in a row with those as many "
    "places further on as there are channels, and the largest of those nearer; and "
    "with those so many rows below, and the largest of those nearer, by size",
)
INCOMING_NORM = Quantity(
    "incoming_norm", "param", "unit", "‖(w, b)‖ of each unit: its weights and its bias"
)
INPUT_ACROSS = Quantity(
    "input_across",
    "1",
    "run",
    "variance between the features of one sample over their mean square, over a batch",
)
INPUT_DISTANCES = Quantity(
    "input_distances",
    "1",
    "feature",
    "mean squared distance between inputs of one batch whose targets, whole numbers, "
    "are the same, are one apart, and are at least half of their range apart",
)
INPUT_MAX = Quantity(
    "input_max", "1", "run", "largest entry of the model's first input"
)
INPUT_MEAN = Quantity(
    "input_mean", "1", "feature", "mean of each input feature or channel over a batch"
)
INPUT_MIN = Quantity("input_min", "1", "run", "smallest entry of the first input")
INPUT_NONFINITE = Quantity(
    "input_nonfinite",
    "1",
    "run",
    "share of the first input's entries that are nan or inf",
)
INPUT_SQUARE = Quantity(
    "input_square", "1", "feature", "mean square of each input feature over a batch"
)
INPUT_TAIL = Quantity(
    "input_tail",
    "1",
    "run",
    "share of a feature's squared distances from its median that the batch's farthest "
    "sample makes up: the median over features that mostly differ",
)
INPUT_VARIATION = Quantity(
    "input_variation",
    "1",
    "run",
    "variance of the first input between samples over its mean square, over all "
    "entries",
)
JOINT_MOMENTS = Quantity(
    "joint_moments",
    "1",
    "feature",
    "second moments of (inputs, 1, targets) over a batch, row by row, few features",
)
LAST_REACHED = Quantity(
    "last_reached",
    "step",
    "unit",
    "last step in which the unit's bias got a non-zero gradient; -1 if in none",
)
LEARNING_RATE = Quantity(
    "learning_rate",
    "1",
    "group",
    "a parameter group's lr; read when it changes, holds until then",
)
LEFT_OUT_NUMBERS = Quantity(
    "left_out_numbers",
    "1",
    "run",
    "different whole numbers among the inputs at the places that a key padding mask "
    "hides from attention, where attended_numbers is measured",
)
LOSS = Quantity(
    "loss", "loss", "run", "sum of the losses whose backward() this step applied"
)
LOSS_PART = Quantity(
    "loss_part",
    "1",
    "run",
    "where the loss is a sum: the share of it that outputs and targets explain",
)
LOSS_REPLICATION = Quantity(
    "loss_replication",
    "1",
    "run",
    "loss of a batch and its copy together over the loss of the batch: 1 mean, 2 sum",
)
MODEL_TRAINING = Quantity(
    "model_training",
    "1",
    "run",
    "share of dropout and batch-norm modules in training mode in a sampled step",
)
NEXT_TARGETS = Quantity(
    "next_targets",
    "1",
    "run",
    "share of the targets that are the input one place further on, where it changes",
)
OUTGOING_NORM = Quantity(
    "outgoing_norm",
    "param",
    "unit",
    "norm of what the layer sends on of each unit of the layer below: its columns",
)
OUTPUT_MAX = Quantity(
    "output_max", "1", "run", "largest entry of the tensor that the loss received"
)
OUTPUT_MEAN = Quantity("output_mean", "1", "output", "mean over samples of each output")
OUTPUT_MIN = Quantity(
    "output_min", "1", "run", "smallest entry of the tensor that the loss received"
)
OUTPUT_SIMPLEX = Quantity(
    "output_simplex",
    "1",
    "run",
    "1 if all of a batch's outputs are ≥ 0 and sum to 1 over the output axis, else 0",
)
OUTPUT_SQUARE = Quantity(
    "output_square", "1", "output", "mean over samples of each output's square"
)
OUTPUT_SUM_ERROR = Quantity(
    "output_sum_error",
    "1",
    "run",
    "largest |1 − sum over outputs| of any sample that the loss received",
)
OUTPUT_VARIATION = Quantity(
    "output_variation",
    "1",
    "run",
    "variance of the outputs between samples over their mean square, over all outputs",
)
OVERFIT_DRY = Quantity(
    "overfit_dry", "1", "run", "overfit_skill as reached by Adam with dropout off"
)
OVERFIT_FREEDOM = Quantity(
    "overfit_freedom",
    "1",
    "run",
    "entries of trained parameters for each entry of the targets to be fitted",
)
OVERFIT_OWN = Quantity(
    "overfit_own",
    "1",
    "run",
    "overfit_skill as reached with the training's own optimizer",
)
OVERFIT_SAMPLES = Quantity(
    "overfit_samples", "1", "run", "how many samples were to be learnt by heart"
)
OVERFIT_SKILL = Quantity(
    "overfit_skill",
    "1",
    "run",
    "of the way from a constant's loss to the lowest, reached on few samples alone",
)
OVERFIT_STEPS = Quantity(
    "overfit_steps", "step", "run", "steps of the attempts to fit few samples"
)
PLACE_GRADIENTS = Quantity(
    "place_gradients",
    "1",
    "feature",
    "gradient of the output at one place of a sequence by the inputs at earlier "
    "places, at the same and at later ones, over that by all, by norm",
)
PLACES_ALIKE = Quantity(
    "places_alike",
    "1",
    "run",
    "of the places of a text that hold the same token, the share at which the first "
    "self-attention reads the same numbers, where no mask tells it of places",
)
PREACT_MAX = Quantity(
    "preact_max", "1", "unit", "largest pre-activation of the unit in one sampled step"
)
PREACT_RMS = Quantity(
    "preact_rms",
    "1",
    "layer",
    "sqrt(mean(z²)) of what the layer's operation put out, one sampled step",
)
PREACT_VARIATION = Quantity(
    "preact_variation",
    "1",
    "layer",
    "variance of the pre-activations between samples over their mean square",
)
PRECONDITIONED_EIGENVALUE = Quantity(
    "preconditioned_eigenvalue",
    "1",
    "run",
    "largest eigenvalue of the Hessian as the optimizer's preconditioner scales it",
)
REACH_STEPS = Quantity(
    "reach_steps",
    "step",
    "run",
    "steps that this reading of grad_reached covers, in which a gradient came at all",
)
SAME_TARGETS = Quantity(
    "same_targets",
    "1",
    "run",
    "share of the targets that are the token at the same place, where the next differs",
)
SAMPLE_LEAK = Quantity(
    "sample_leak",
    "1",
    "layer",
    "gradient of one sample's output by other samples over that by all",
)
SATURATED = Quantity(
    "saturated",
    "1",
    "unit",
    "share of positions where a bounded activation's slope is under 1 % of its largest",
)
SEQUENCE_GRAD_GROWTH = Quantity(
    "sequence_grad_growth",
    "decades",
    "layer",
    "log₁₀ of the signal's gradient at a weight's first use over that at its last",
)
SIGNAL_GRAD_RMS = Quantity(
    "signal_grad_rms",
    "loss",
    "layer",
    "sqrt(mean((∂loss/∂z)²)) at what the layer's operation put out",
)
SIGNAL_GRAD_SUBNORMAL = Quantity(
    "signal_grad_subnormal",
    "1",
    "layer",
    "share of a float16 gradient's non-zero entries below 2⁻¹⁴; 1 if all are 0",
)
STEP_CURVATURE = Quantity(
    "step_curvature",
    "loss",
    "run",
    "uᵀHu for the update u that is subtracted and H of the same batch's loss",
)
STEP_GAIN = Quantity(
    "step_gain",
    "loss",
    "run",
    "gᵀu for the update u that is subtracted and g of the same batch's loss",
)
STEP_LIMIT = Quantity(
    "step_limit",
    "1",
    "run",
    "learning rate at which a quadratic of the measured top eigenvalue diverges",
)
STEP_LOSSES = Quantity(
    "step_losses", "1", "run", "losses whose gradients add up between two steps"
)
STEP_SKIPPED = Quantity(
    "step_skipped",
    "1",
    "run",
    "1 where a gradient scaler left the step out, for inf or nan; else no reading",
)
SUREST_WRONG = Quantity(
    "surest_wrong",
    "1",
    "run",
    "of the tenth of a batch's samples that the network is surest of, the share with "
    "another label",
)
TARGET_COUNT = Quantity(
    "target_count", "1", "output", "samples of each class in the batch"
)
TARGET_MAX = Quantity("target_max", "1", "run", "largest target")
TARGET_MEAN = Quantity("target_mean", "1", "output", "mean over samples of each target")
TARGET_MEDIAN = Quantity(
    "target_median", "1", "run", "median of a batch's targets, of all outputs together"
)
TARGET_MEDIAN_SHARE = Quantity(
    "target_median_share", "1", "run", "share of the targets that equal their median"
)
TARGET_MIN = Quantity("target_min", "1", "run", "smallest target")
TARGET_SQUARE = Quantity(
    "target_square", "1", "output", "mean over samples of each target's square"
)
TARGET_WHOLE = Quantity(
    "target_whole", "1", "run", "share of targets that are whole numbers"
)
TOP_EIGENVALUE = Quantity(
    "top_eigenvalue",
    "loss/param²",
    "run",
    "largest eigenvalue, by sign, of the Hessian of the loss on a few batches",
)
UNIT_BIAS = Quantity("unit_bias", "param", "unit", "bias of each unit, before the step")
UNIT_BOUND = Quantity(
    "unit_bound",
    "1",
    "unit",
    "what no input within the range seen can lift the unit's pre-activation above",
)
UNIT_CEILING = Quantity(
    "unit_ceiling",
    "1",
    "unit",
    "the same, whatever values the weights of the layers below it may take",
)
UNIT_DRIFT = Quantity(
    "unit_drift",
    "1",
    "unit",
    "most that the optimizer's momentum alone can still add to the pre-activation",
)
UPDATE_LOST = Quantity(
    "update_lost",
    "1",
    "param",
    "share of a half-precision parameter's entries with a gradient that did not move",
)
UPDATE_RATIO = Quantity(
    "update_ratio", "1", "param", "‖p_after − p_before‖ / ‖p_before‖"
)
UPDATE_RMS = Quantity(
    "update_rms", "param", "param", "sqrt(mean((p_after − p_before)²)) of one step"
)
WEIGHT_RMS = Quantity("weight_rms", "param", "param", "sqrt(mean(p²)) before the step")
