"""Pure functions from arrays to numbers. Depends on numpy alone."""

from reluctant.stats._binomial import expected_trials, trials_for, wilson_interval
from reluctant.stats._change import Change, change_point
from reluctant.stats._paired import (
    PairedShares,
    median_interval,
    paired_shares,
    sign_test,
)
from reluctant.stats._ratio import Ratio, ratio_of_means
from reluctant.stats._robust import block_medians, log_median, robust_slope
from reluctant.stats._runs import Silence, rate_bound, silences
from reluctant.stats._threshold import MedianThreshold, median_threshold

__all__ = [
    "Change",
    "MedianThreshold",
    "PairedShares",
    "Ratio",
    "Silence",
    "block_medians",
    "change_point",
    "expected_trials",
    "log_median",
    "median_interval",
    "median_threshold",
    "paired_shares",
    "rate_bound",
    "ratio_of_means",
    "robust_slope",
    "sign_test",
    "silences",
    "trials_for",
    "wilson_interval",
]
