"""What can cause what: the declared graph by which a diagnosis orders its findings.

An edge says that the first problem, where it is real, is known to produce the second;
so the second is then reported under the first. A rule that is not named here explains
nothing and is explained by nothing.
"""

from reluctant.records.quantities import EVALUATED_TRAINING, EVALUATION_TRAINING

_LOST_UNITS = ("UNT101", "UNT102", "UNT201")
# what too long a step brings about, whatever made it too long
_THROWN = (
    "GRD501",
    *_LOST_UNITS,
    "UNT401",
    "STP103",
    "STP201",
    "GRD102",
    "NUM101",
    "NUM201",
    "HED101",
)
# what a network shows that is never told anything it could learn from
_UNTAUGHT = (*_LOST_UNITS, "UNT401", "GRD101", "GRD501", "STP301", "HED101")

CAUSES: dict[str, tuple[str, ...]] = {
    # A start that is too small starves the layers: late units see only their biases and
    # half of them are silent, gradients shrink by the same factors, a constant is left.
    "INI101": (*_LOST_UNITS, "UNT103", "GRD101", "STP301", "HED101"),
    # So has one that suits another activation, once the layers are many.
    "INI201": (*_LOST_UNITS, "UNT103", "GRD101", "STP301", "HED101"),
    # What the shape alone makes likely.
    "INI501": ("UNT103",),
    # A start that is too large has large curvature and large gradients, so that any
    # ordinary step is too long; bounded units start flat, which stops the gradient.
    "INI102": (
        *_LOST_UNITS,
        "UNT103",
        "UNT501",
        "UNT401",
        "STP101",
        "STP201",
        "GRD101",
        "GRD102",
        "NUM101",
        "HED101",
    ),
    # Copies of one unit are silent together, or pass nothing back.
    "INI301": (*_UNTAUGHT, "UNT103", "INI101", "UNT301"),
    # A unit of the wrong sign dies, and leaves a narrow layer too narrow.
    "INI401": (*_LOST_UNITS, "HED101"),
    # A layer of copies is as narrow; one at its flat ends passes nothing back.
    "UNT301": ("HED101",),
    "UNT401": ("GRD101", "STP301", "HED101"),
    # Large or uneven inputs make the curvature large, tiny ones starve the first layer;
    # a step that fits others is then too long, or too short.
    "DAT101": ("STP101", "INI101", "UNT103", "GRD101", "STP301", *_THROWN),
    "DAT102": ("DAT101", "UNT103", "STP101", "STP301", *_THROWN),
    # What never changes may be large besides; and it teaches nothing.
    "DAT401": (
        "DAT201",
        "DAT101",
        "DAT102",
        "UNT103",
        "STP101",
        "STP301",
        "GRD101",
        *_THROWN,
    ),
    # What no longer looks like an image is learnt late, or not at all.
    "DAT402": _UNTAUGHT,
    # Targets far away make the first gradients large, and the outputs late.
    "DAT103": ("STP101", "STP301", *_THROWN),
    # Few samples, or one class at a time, leave units without anything to fire on.
    "DAT201": _LOST_UNITS,
    "DAT202": ("STP101", *_THROWN),
    "DAT301": ("UNT101", "HED101"),
    # A head that cannot say what is asked drives its layers to the flat end.
    "HED201": _UNTAUGHT,
    "HED202": _UNTAUGHT,
    "HED203": ("STP101", "GRD101", *_THROWN),
    "HED301": (*_UNTAUGHT, "STP101"),
    "HED302": ("DAT103", "STP101", *_UNTAUGHT),
    # The mean of all targets is the best answer to a comparison of each with each.
    "HED401": ("STP101", "STP301", *_THROWN),
    # A sum over the batch is a step that is a batch size too long.
    "HED501": ("STP101", *_THROWN),
    # A network that is cut off, cleared or switched over is not taught.
    "GRD301": (*_UNTAUGHT, "LOP302", "LOP404"),
    "LOP503": ("UNT101", "UNT102", "HED101", "FIT101", "FIT201", "STP301"),
    "LOP202": ("HED101",),
    "LOP301": ("STP101", *_THROWN),
    "LOP302": _UNTAUGHT,
    "LOP501": ("HED101",),
    # Attention to padding alone says nothing; a row without any is left with nothing to
    # attend to, which is nan.
    "LOP403": ("NUM101", "NUM103", *_UNTAUGHT),
    # Each order of the same tokens looks the same.
    "LOP404": ("HED101",),
    # nan in the data makes the loss nan, and with it everything.
    "NUM102": (*_THROWN, "STP101"),
    # So does a gradient that is none; from there on there is nothing to learn.
    "NUM103": ("NUM101", "NUM302", *_LOST_UNITS, "HED101"),
    # What is rounded away does not train; a mean of squares that is 0 is divided by.
    "NUM301": ("NUM101", "NUM103", "LOP302", *_UNTAUGHT),
    # A step that is never taken leaves a network where it began.
    "NUM302": ("STP301", "LOP302", "HED101"),
    # Steps that are too short leave a network where it began.
    "STP301": (
        "HED101",
        "GRD501",
    ),
    # A schedule makes them so, and weights without a rate stay as they were drawn.
    "STP302": ("STP301", "GRD501", "HED101"),
    "STP303": ("STP301", "HED101"),
    "STP304": ("STP301", "HED101"),
    # One batch can do what too long a step does.
    "STP501": ("STP101", "DAT103", "DAT101", "DAT102", *_THROWN),
    # A gradient that is always clipped makes short steps.
    "GRD401": ("STP301", "HED101", "GRD101"),
    # Weights that decay to nothing pass nothing on.
    "STP401": (*_UNTAUGHT, "INI101"),
    # Summed gradients are a step that grows without end, whatever the learning rate.
    "LOP101": (*_LOST_UNITS, "STP101", "STP201", "GRD102", "NUM101", "HED101"),
    # Layers that never train can leave the rest with nothing to learn from; and what no
    # optimizer owns, no optimizer's zero_grad() clears.
    # The step is as many times too long, and as rare.
    "LOP102": ("STP101", "STP301", "LOP101", "DAT101", *_THROWN),
    "LOP201": ("HED101", "LOP101", "LOP302", "GRD301", "UNT101", "UNT201"),
    # A step that is too long throws units out of the range of the data, or the loss up;
    # from larger weights come larger gradients.
    "STP101": _THROWN,
    # What diverges ends in inf; on the way it silences units and inflates gradients.
    "STP201": (*_LOST_UNITS, "GRD102", "NUM101", "NUM201", "HED101"),
    # Along the flat directions nothing is learnt, and any other fault looks like it.
    "GRD501": ("STP103", "FIT201"),
    # What overflows is inf, and its differences are nan.
    "NUM201": ("NUM101",),
    # A swing is a step too far, for as long as it lasts.
    "STP103": (*_LOST_UNITS, "HED101"),
    # What the steps' own noise holds up looks like all that can be learnt.
    "STP601": ("FIT201",),
    # One exploded gradient is one step that is too long, whatever the learning rate.
    "GRD102": (
        *_LOST_UNITS,
        "STP201",
        "NUM101",
        "NUM201",
        "HED101",
        "GRD401",
        "LOP302",
    ),
    # Where the first layers never move, the last one learns the bias.
    "GRD101": ("STP301", "HED101"),
    # What was silent before the first step is counted among the dead.
    "UNT103": ("UNT101", "UNT102", "GRD101", "STP301", "HED101"),
    # A start whose activations have exploded sends back gradients as large.
    "UNT501": ("UNT103", "GRD102", "STP101", *_THROWN),
    # Behind a layer that is silent as a whole every input is the same, and before it no
    # gradient arrives; its units are no separate problem.
    "UNT102": ("UNT101", "GRD101", "STP301", "HED101"),
    # Outputs that are silent for every input are constants, and send nothing back that
    # could wake a hidden unit.
    "UNT201": ("UNT101", "UNT102", "HED101"),
    "UNT101": ("HED101",),
    # Near the threshold the seed decides; so it does where the network is too narrow,
    # or has basins that it cannot leave.
    "ENS101": ("ENS201",),
    "ENS301": ("ENS201", "FIT301"),
    "FIT301": ("ENS201",),
    # nan in the weights makes every comparison false: units seem silent.
    "NUM101": (*_LOST_UNITS, "NUM302"),
}

# How a training ended says that something is broken, not what: whatever else was found
# is what is broken about it. So do labels that seem to follow from nothing.
_FAULTS = ("HED", "INI", "LOP", "GRD", "NUM", "STP", "UNT", "DAT")
_ENDS = ("FIT101", "FIT201", "FIT401", "FIT501")
_MINOR = ("DAT302", "HED101", "INI401", "INI501", "LOP502", "UNT101")
# What is learnt by heart, and holds of nothing else, drives units out of use besides.
_NAMED = {"DAT302": ("UNT101",), "HED101": (), "LOP401": (), "LOP402": ()} | CAUSES
CAUSES = {
    code: (*effects, *(() if code in _MINOR else ("DAT302",)), *_ENDS)
    if code.startswith(_FAULTS)
    else effects
    for code, effects in _NAMED.items()
}

# What is wrong with what is reported, and not with the training: by rule, and by what
# it measured. It causes nothing.
OF_THE_REPORT = frozenset(
    (
        ("LOP301", EVALUATED_TRAINING.name),
        ("LOP301", EVALUATION_TRAINING.name),
    )
)
