"""What the optimizers of a training make of a gradient's size."""

from reluctant.records import Trace

ADAPTIVE = (
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "RMSprop",
    "Adagrad",
    "Adadelta",
)


def is_adaptive(trace: Trace) -> bool:
    """Whether all optimizers scale their steps by the gradient's own size."""
    groups = trace.setup.groups
    return bool(groups) and all(group.optimizer in ADAPTIVE for group in groups)
