"""What was proposed against outputs that die, and against a sensitive step size."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._dying_output_arms import FINAL_SHARE, WIDER
from reluctant.cases._dying_output_threshold import bisect, healthy, median, predict
from reluctant.cases._relu_net_kind import HIDDEN, OUTPUTS, PLAIN, SLOPE, STD, Kind
from reluctant.cases._relu_nets import Job, train_all
from reluctant.cases.claims._compare import CURED, Scale, bars, medians, shares
from reluctant.lab.engines import Dataset, MLPSpec, Parameters, train_many
from reluctant.records import ClaimResult, Comparison, UsageError

MEASURE = "seeds that learn all ten digits"
OVER = (1.1, 1.3, 1.6)  # learning rates, of the median threshold of the plain network
CONTROL = 0.3  # of the predicted threshold
STEP = 1.25  # from one rate to the next
RATES = tuple(0.02 * STEP**k for k in range(22))  # to about 2.2
EPOCHS, LEARNED = 10, 0.9  # share of test images


class _Place:
    """The data, its seeds, and where the plain network begins to fail."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.data = load_digits(scale.data)
        is_large = len(self.data.train_x) > 10_000
        self.epochs = (1 if scale.quick else 3) if is_large else 40
        limit, _ = predict(self.data, scale.seed, scale.progress)
        if not math.isfinite(limit.value):
            raise UsageError(f"no limit can be predicted on {self.data.name}.")
        control = CONTROL * limit.value
        count = (4 if scale.quick else 10) if is_large else (12 if scale.quick else 40)
        self.seeds, _ = healthy(
            self.data,
            scale.seed,
            control,
            seeds=count,
            epochs=self.epochs,
            progress=scale.progress,
        )
        few = self.seeds[:5]
        runs = bisect(
            self.data,
            few,
            limit.value,
            control,
            epochs=self.epochs,
            progress=scale.progress,
        )
        self.threshold = median(runs, few, control)[0].value
        self._learned: dict[tuple[Kind, float], list[bool]] = {}

    def learned(self, kind: Kind, rate: float, label: str) -> list[bool]:
        """Which seeds learn all digits."""
        if (kind, rate) not in self._learned:
            jobs = [Job(rate, seed) for seed in self.seeds]
            self._learned[kind, rate] = [
                bool(np.isfinite(run.weights.W1).all()) and not run.unlearned(self.data)
                for run in train_all(self.data, jobs, epochs=self.epochs, kind=kind)
            ]
            won = sum(self._learned[kind, rate])
            self.scale.progress(f"{label}, {rate:.3g}: {won} of {len(jobs)} learn")
        return self._learned[kind, rate]

    @property
    def population(self) -> str:
        """Whom the trials are about."""
        data = self.data
        return (
            f"{len(self.seeds)} seeds that learn all digits far below the threshold; "
            f"{data.inputs}-{HIDDEN}-{OUTPUTS}, ReLU in both layers, ½·Σ(y − t)², one "
            f"sample a step, plain SGD, weights N(0, {STD}), {data.name}, "
            f"{self.epochs} epochs; the same starts and samples in both arms"
        )


@lru_cache(maxsize=2)
def _place(scale: Scale) -> _Place:
    return _Place(scale)


def _cure(
    name: str, claim: str, scale: Scale, ways: dict[str, Kind], title: str
) -> ClaimResult:
    place = _place(scale)
    found = [
        shares(
            f"{over:g} × threshold, {label}"
            if len(ways) > 1
            else f"{over:g} × threshold",
            ("as it was", place.learned(PLAIN, over * place.threshold, "as it was")),
            (label, place.learned(kind, over * place.threshold, label)),
            enough=CURED,
        )
        for label, kind in ways.items()
        for over in OVER
    ]
    return ClaimResult(
        name=name,
        case="dying-output",
        claim=claim,
        population=place.population,
        measure=MEASURE,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, title, MEASURE, found),
        remark=f"The plain network's threshold is {place.threshold:.3g} (median of 5 "
        "seeds). A cure is taken to mean nine seeds of ten.",
    )


def leaky_head(scale: Scale) -> ClaimResult:
    """Leaky units, in the output layer and in both."""
    ways = {
        f"leaky {SLOPE:g} in both layers": Kind(leaky_hidden=True, leaky_head=True),
        f"leaky {SLOPE:g} in the output layer": Kind(leaky_head=True),
    }
    return _cure(
        "leaky-relu",
        f"Leaky ReLU with slope {SLOPE:g} cures outputs that die.",
        scale,
        ways,
        "Leaky ReLU: how often all digits are learned above the threshold",
    )


def rate_decay(scale: Scale) -> ClaimResult:
    """A learning rate that falls to a tenth."""
    return _cure(
        "learning-rate-decay",
        "Decay of the learning rate cures outputs that die.",
        scale,
        {"rate decays to a tenth": Kind(final_share=FINAL_SHARE)},
        "Learning-rate decay: how often all digits are learned above the threshold",
    )


def wider_layer(scale: Scale) -> ClaimResult:
    """A hidden layer three times as wide."""
    return _cure(
        "wider-layer",
        "A wider hidden layer cures outputs that die.",
        scale,
        {f"{WIDER * HIDDEN} hidden units": Kind(width=WIDER * HIDDEN)},
        "A wider layer: how often all digits are learned above the threshold",
    )


def width_and_depth(scale: Scale) -> ClaimResult:
    """The largest rate that trains, by width and by depth."""
    data = load_digits(None)
    seeds = scale.seeds(8, 24)
    nets = {
        "30 units": (30,),
        "100 units": (100,),
        "300 units": (300,),
        "2 layers of 100": (100, 100),
        "3 layers of 100": (100, 100, 100),
    }
    limits = {
        label: _largest_rates(data, hidden, seeds, scale)
        for label, hidden in nets.items()
    }
    pairs = [*pairwise(list(nets)[:3]), *pairwise(["100 units", *list(nets)[3:]])]
    found: list[Comparison] = [
        medians(
            f"{one} to {two}",
            (one, limits[one]),
            (two, limits[two]),
            factor=1.0,
        )
        for one, two in pairs
    ]
    from reluctant.cases.claims._figures import dots

    return ClaimResult(
        name="width-and-depth",
        case="dying-output",
        claim="Wider or deeper networks are less sensitive to the learning rate.",
        population=f"{len(seeds)} seeds a network on the 8×8 digits, ReLU hidden "
        "units, linear outputs, mean squared error, He weights, one sample "
        f"a step, plain SGD, {EPOCHS} epochs at each of {len(RATES)} "
        f"learning rates from {RATES[0]:g} to "
        f"{RATES[-1]:.2g}",
        measure="largest learning rate that trains (90 % of test images right)",
        is_share=False,
        comparisons=tuple(found),
        figure=dots(
            "width-and-depth",
            "Width and depth: the largest learning rate that trains",
            "learning rate",
            found,
        ),
        remark="Less sensitive is taken to mean that a larger rate still trains; "
        "rates tried are a factor of 1.25 apart.",
    )


def _largest_rates(
    data: Digits, hidden: tuple[int, ...], seeds: Sequence[int], scale: Scale
) -> list[float]:
    """For each seed the largest rate up to which it trains, slow rates aside."""
    spec = MLPSpec((data.inputs, *hidden, OUTPUTS), loss="mse")
    targets = np.eye(OUTPUTS, dtype=np.float32)[data.train_y]
    dataset = Dataset(data.train_x, targets)
    jobs = [(seed, rate) for seed in seeds for rate in RATES]
    runs = train_many(
        spec,
        [_he(spec.widths, seed) for seed, _ in jobs],
        dataset,
        learning_rates=[rate for _, rate in jobs],
        steps=EPOCHS * len(data.train_x),
        seeds=[seed for seed, _ in jobs],
        notify=scale.progress,
    )
    held_out = Dataset(data.test_x, data.test_y)
    trains = {
        job: run.finite and _accuracy(spec, run.parameters, held_out) >= LEARNED
        for job, run in zip(jobs, runs, strict=True)
    }
    values = [_end(tuple(trains[seed, rate] for rate in RATES)) for seed in seeds]
    scale.progress(f"{hidden}: trains up to {np.median(values):.3g}")
    return values


def _end(trains: tuple[bool, ...]) -> float:
    """The rate at which the first stretch of rates that train ends."""
    if True not in trains:
        return RATES[0] / STEP
    first = trains.index(True)
    rest = trains[first:]
    return RATES[first + (rest.index(False) if False in rest else len(rest)) - 1]


def _accuracy(spec: MLPSpec, net: Parameters, data: Dataset) -> float:
    h = np.asarray(data.inputs, np.float64)
    for layer, (weight, bias) in enumerate(net):
        assert bias is not None
        h = h @ weight.T + bias
        if layer < len(net) - 1:
            h = np.maximum(h, 0)
    return float((h.argmax(axis=1) == np.asarray(data.targets).reshape(-1)).mean())


def _he(widths: tuple[int, ...], seed: int) -> Parameters:
    random = np.random.default_rng([seed, 7])
    return [
        (
            random.normal(0, math.sqrt(2 / i), (o, i)).astype(np.float32),
            np.zeros(o, np.float32),
        )
        for i, o in pairwise(widths)
    ]
