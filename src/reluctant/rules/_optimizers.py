"""What the optimizers of a training make of a gradient's size."""

from reluctant.records import Trace


def is_adaptive(trace: Trace) -> bool:
    """Whether all optimizers scale their steps by the gradient's own size."""
    groups = trace.setup.groups
    return bool(groups) and all(group.is_adaptive for group in groups)


def momentum(trace: Trace) -> float:
    """The share of the last step that each step repeats: the least of all groups."""
    kept = []
    for group in trace.setup.groups:
        value = group.options.get("momentum", 0.0)
        betas = group.options.get("betas")
        if isinstance(betas, tuple) and betas:
            value = betas[0]
        kept.append(float(value) if isinstance(value, int | float) else 0.0)
    return min(max(min(kept, default=0.0), 0.0), 0.999)
