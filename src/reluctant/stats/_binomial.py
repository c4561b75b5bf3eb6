"""How sure a share of successes is, and what it costs to try again."""

import math
from statistics import NormalDist


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval for a probability, from how often it came true.

    The probabilities at which so many successes lie within the normal quantile of what
    is expected. Unlike the textbook interval it never leaves [0, 1], and it stays wide
    where nothing, or everything, succeeded.

    Args:
        successes: From 0 to `trials`.
        trials: None at all gives (0, 1).
        confidence: Share of such intervals that hold the true probability.

    Raises:
        ValueError: If a number is outside what is said above.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 4), round(high, 4)
        (0.4902, 0.9433)
        >>> wilson_interval(0, 0)
        (0.0, 1.0)

    References:
        [Wilson1927] Probable inference, the law of succession, and statistical
        inference.
    """
    if not 0 <= successes <= trials:
        raise ValueError(
            f"{successes} successes of {trials} trials: give a count from 0 to the "
            "number of trials."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: give a share between 0 and 1.")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(share * (1 - share) * weight + weight * weight / 4) / (1 + weight)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return low, high


def expected_trials(probability: float) -> float:
    """Trials until the first success, on average; inf where there is none.

    Example:
        >>> expected_trials(0.25)
        4.0
    """
    return 1 / probability if probability > 0 else math.inf


def trials_for(probability: float, *, confidence: float = 0.99) -> float:
    """Trials after which at least one has succeeded, that surely; inf if none can.

    Args:
        probability: Of one success.
        confidence: How sure, below 1.

    Example:
        >>> trials_for(0.5), trials_for(1.0), trials_for(0.0)
        (7.0, 1.0, inf)
    """
    if probability <= 0:
        return math.inf
    if probability >= 1:
        return 1.0
    count = math.log(1 - confidence) / math.log1p(-probability)
    return float(max(1, math.ceil(count - 1e-9)))
