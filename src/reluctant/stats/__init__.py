"""Pure functions from arrays to numbers. Depends on numpy alone."""

from reluctant.stats._change import Change, change_point
from reluctant.stats._ratio import Ratio, ratio_of_means
from reluctant.stats._robust import block_medians, log_median, robust_slope
from reluctant.stats._runs import Silence, rate_bound, silences

__all__ = [
    "Change",
    "Ratio",
    "Silence",
    "block_medians",
    "change_point",
    "log_median",
    "rate_bound",
    "ratio_of_means",
    "robust_slope",
    "silences",
]
