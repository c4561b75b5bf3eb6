"""Whether a weight looks as an initialization draws it."""

import math

from reluctant.records import Parameter


def looks_fresh(weight: Parameter, limit: float) -> bool:
    """Whether a weight's spread is that of a standard scheme, within sampling error.

    Args:
        weight: Any parameter; a vector never looks fresh.
        limit: How many standard errors away it may be.
    """
    return len(weight.shape) > 1 and weight.std > 0 and _deviation(weight) < limit


def _deviation(weight: Parameter) -> float:
    """Standard errors between a weight's spread and the nearest standard scheme's.

    PyTorch's default, and He, LeCun and Glorot by fan-in or fan-out [Glorot2010],
    [He2015]; a normal draw's error, which a uniform draw's stays below.
    """
    inner = math.prod(weight.shape[2:])
    fan_in, fan_out = weight.shape[1] * inner, weight.shape[0] * inner
    schemes = (
        *(gain / fan for gain in (1 / 3, 1.0, 2.0) for fan in (fan_in, fan_out)),
        2 / (fan_in + fan_out),
        4 / (fan_in + fan_out),
        1.0,  # embeddings
        0.02**2,  # transformers
        0.01**2,
    )
    size = math.prod(weight.shape)
    relative = min(abs(weight.std / math.sqrt(v) - 1) for v in schemes)
    return relative * math.sqrt(2 * size)
