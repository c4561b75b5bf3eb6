"""What works in `tiny-abs`: one linear layer learns a filter and a transform."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reluctant.cases._tiny_abs_nets import Floats
from reluctant.lab.engines import SGD, Adam, Dataset, MLPSpec, Optimizer, train_many

TAPS, POINTS, SAMPLES, BATCH = 16, 32, 4096, 32


@dataclass(frozen=True)
class Learned:
    """One linear layer, trained.

    Attributes:
        task: `"FIR"` or `"DFT"`.
        rule: Name of the optimizer and its rate.
        true: The matrix that the data were made with, shape `(outputs, inputs)`.
        weight: What was learned, in its shape.
        steps: Shape `(k,)`.
        loss: Mean squared error over the mean square of the targets, shape `(k,)`.
    """

    task: str
    rule: str
    true: Floats
    weight: Floats
    steps: Floats
    loss: Floats

    @property
    def error(self) -> float:
        """Largest error of a weight over the largest weight."""
        return float(np.abs(self.weight - self.true).max() / np.abs(self.true).max())


def fir() -> Floats:
    """A low-pass filter: a windowed sinc of 16 taps that sum to one."""
    at = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(at / 2) * np.hamming(TAPS)
    row: Floats = (taps / taps.sum())[None]
    return row


def dft() -> Floats:
    """Real and imaginary parts of the transform of 32 real samples, `(64, 32)`."""
    angle = 2 * np.pi * np.outer(np.arange(POINTS), np.arange(POINTS)) / POINTS
    return np.concatenate([np.cos(angle), -np.sin(angle)])


def learn(seed: int, *, steps: int, progress: Callable[[str], None]) -> list[Learned]:
    """Learn both from white noise, with plain SGD and with Keras' Adam."""
    found = []
    for task, true in (("FIR", fir()), ("DFT", dft())):
        outputs, inputs = true.shape
        random = np.random.default_rng([seed, 4])
        x = random.normal(size=(SAMPLES, inputs)).astype(np.float32)
        y = (x.astype(float) @ true.T).astype(np.float32)
        # the loss is a mean over outputs: its curvature along a weight is 2 / outputs
        rules: tuple[tuple[str, Optimizer, float], ...] = (
            ("SGD", SGD(), 0.1 * outputs),
            ("Adam", Adam(eps=1e-7), 1e-3),
        )
        for name, rule, rate in rules:
            spec = MLPSpec(
                (inputs, outputs), optimizer=rule, batch_size=BATCH, bias=False
            )
            limit = np.sqrt(6 / (inputs + outputs))
            start = random.uniform(-limit, limit, true.shape).astype(np.float32)
            (run,) = train_many(
                spec,
                [[(start, None)]],
                Dataset(x, y),
                learning_rates=[rate],
                steps=steps,
                record_every=max(1, steps // 100),
                threads=1,
                notify=progress,
            )
            found.append(
                Learned(
                    task,
                    f"{name} {rate:g}",
                    true,
                    run.parameters[0][0].astype(float),
                    run.records.step.astype(float),
                    run.records.loss / float((y.astype(float) ** 2).mean()),
                )
            )
            progress(f"{task}, {found[-1].rule}: off by {found[-1].error:.1e}")
    return found
