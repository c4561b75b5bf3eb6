"""What a run of the fused engine records, when it stops, and what it depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.engines import torch_reference as reference
from reluctant.lab import engines
from reluctant.lab.engines import SGD, Adam, Dataset, MLPSpec


def start_of(spec: MLPSpec, seed: int) -> Any:
    return reference.example(spec, seed, 1, 1.0)[2]


def sample(spec: MLPSpec, n: int = 60, density: float = 0.3) -> Dataset:
    inputs, targets, _ = reference.example(spec, 9, n, density)
    return Dataset(inputs, targets)


def as_bytes(run: engines.Run) -> bytes:
    return b"".join(p.tobytes() for layer in run.parameters for p in layer)


@pytest.mark.parametrize("kernel", ["row", "lane"])
@pytest.mark.parametrize("rule", [SGD(), SGD(momentum=0.9), Adam()], ids=str)
def test_numbers_depend_on_nothing_but_the_network(kernel: Any, rule: Any) -> None:
    spec = MLPSpec((20, 12, 3), optimizer=rule, batch_size=2)
    data = sample(spec)

    def run(numbers: list[int], **options: Any) -> list[bytes]:
        runs = engines.train_many(
            spec,
            [start_of(spec, k) for k in numbers],
            data,
            learning_rates=[0.01 + 0.001 * k for k in numbers],
            steps=4500,
            seeds=numbers,
            kernel=kernel,
            **options,
        )
        return [as_bytes(run) for run in runs]

    alone = run([3], threads=1)[0]
    assert run([0, 1, 2, 3, 4], threads=2)[3] == alone
    assert run([3], threads=1, record_every=7)[0] == alone
    assert run([3], threads=1, gauge_every=100)[0] == alone
    assert run([3], threads=1, validation=data, record_every=1000)[0] == alone


def test_asking_for_fewer_steps_changes_no_step_before() -> None:
    spec = MLPSpec((20, 12, 3), optimizer=Adam())
    options: dict[str, Any] = {"learning_rates": [0.01], "record_every": 1}
    start, data = [start_of(spec, 0)], sample(spec)
    (short,) = engines.train_many(spec, start, data, steps=900, **options)
    (long,) = engines.train_many(spec, start, data, steps=1800, **options)
    assert short.records.loss.tobytes() == long.records.loss[:900].tobytes()


def test_kernels_agree_and_sparse_input_is_the_dense_one() -> None:
    from scipy import sparse

    spec = MLPSpec((20, 12, 3), batch_size=4)
    data = sample(spec)
    csr = Dataset(sparse.csr_array(np.asarray(data.inputs)), data.targets)
    runs = {}
    for name, source, kernel in (
        ("row", data, "row"),
        ("lane", data, "lane"),
        ("csr", csr, "row"),
    ):
        (runs[name],) = engines.train_many(
            spec,
            [start_of(spec, 0)],
            source,
            learning_rates=[0.05],
            steps=300,
            kernel=kernel,  # type: ignore[arg-type]
        )
    assert as_bytes(runs["row"]) == as_bytes(runs["csr"])
    np.testing.assert_allclose(
        runs["row"].records.loss, runs["lane"].records.loss, rtol=1e-4
    )
    for fired in zip(*(runs[k].records.fired for k in runs), strict=True):
        assert all((fired[0] == other).all() for other in fired)


@pytest.mark.parametrize("kernel", ["row", "lane"])
def test_records_count_what_happened(kernel: Any) -> None:
    spec = MLPSpec((6, 5, 3), head="linear", loss="cross_entropy", batch_size=8)
    inputs, _, start = reference.example(spec, 4, 40, 1.0)
    classes = np.arange(40) % 3
    # A rate of zero: every window is one pass with the initial weights.
    (run,) = engines.train_many(
        spec,
        [start],
        Dataset(inputs, classes),
        learning_rates=[0.0],
        steps=10,
        kernel=kernel,
        dtype=np.float64,
        validation=Dataset(inputs, classes),
    )
    hidden = np.maximum(inputs @ start[0][0].T + start[0][1], 0.0)
    out = hidden @ start[1][0].T + start[1][1]
    loss, score = engines.evaluate(spec, start, Dataset(inputs, classes))
    records = run.records
    assert records.step.tolist() == [5, 10]
    assert records.samples.tolist() == [40, 40]
    assert records.active.tolist() == [40, 40]
    assert records.finite.all()
    assert run.finite
    np.testing.assert_allclose(records.loss, loss, rtol=1e-12)
    np.testing.assert_allclose(records.validation_loss, loss, rtol=1e-12)
    assert records.score.tolist() == [score, score]
    assert score == np.mean(out.argmax(axis=1) == classes)
    assert (records.fired[0] == (hidden > 0).sum(axis=0)).all()
    assert (records.fired[1] == (out > 0).sum(axis=0)).all()


@pytest.mark.parametrize("kernel", ["row", "lane"])
def test_stops_when_nothing_can_change_any_more(kernel: Any) -> None:
    spec = MLPSpec((4, 3, 2), head="relu")
    start = [(np.ones((3, 4)), -np.ones(3)), (np.zeros((2, 3)), -np.ones(2))]
    data = Dataset(np.eye(4), np.ones((4, 2)))
    options: dict[str, Any] = {"learning_rates": [0.1], "steps": 100, "kernel": kernel}
    (run,) = engines.train_many(spec, [start], data, **options)
    assert (run.stop, run.steps) == ("frozen", 4)
    assert run.records.active.tolist() == [0]
    for (weight, _), (before, _) in zip(run.parameters, start, strict=True):
        assert (weight == before).all()
    # An order that leaves samples out proves nothing about them.
    (run,) = engines.train_many(
        spec, [start], data, orders=lambda _, __: np.zeros(4, np.int64), **options
    )
    assert (run.stop, run.steps) == ("done", 100)
    decayed = MLPSpec((4, 3, 2), head="relu", optimizer=SGD(weight_decay=0.1))
    (run,) = engines.train_many(decayed, [start], data, **options)
    assert (run.stop, run.steps) == ("done", 100)


@pytest.mark.parametrize("kernel", ["row", "lane"])
def test_a_diverged_network_is_seen_and_costs_only_itself(kernel: Any) -> None:
    spec = MLPSpec((5, 8, 2), head="linear")
    runs = engines.train_many(
        spec,
        [start_of(spec, 0), start_of(spec, 0)],
        sample(spec, density=1.0),
        learning_rates=[50.0, 0.001],
        steps=500,
        kernel=kernel,
    )
    assert [run.stop for run in runs] == ["nonfinite", "done"]
    assert [run.finite for run in runs] == [False, True]
    assert not runs[0].records.finite[-1]
    assert not np.isfinite(runs[0].records.loss[-1])
    assert runs[1].records.finite.all()


def test_progress_can_break_off() -> None:
    spec = MLPSpec((20, 64, 3))
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> bool:
        seen.append((done, total))
        return False

    runs = engines.train_many(
        spec,
        [start_of(spec, k) for k in range(4)],
        sample(spec),
        learning_rates=[0.01] * 4,
        steps=3_000_000,
        threads=1,
        on_progress=watch,
    )
    assert len(seen) == 1
    assert seen[0][1] == 12_000_000
    assert {run.stop for run in runs} == {"cancelled"}
    assert len(runs) == 4


def test_says_so_when_the_first_call_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reluctant.lab.engines import _driver

    monkeypatch.setattr(_driver, "_PATIENCE_S", 0.0)
    said: list[str] = []
    # Wide enough that getting ready is not over before the wait is.
    spec = MLPSpec((3000, 3000, 3))
    start = [
        (np.zeros((3000, 3000)), np.zeros(3000)),
        (np.zeros((3, 3000)), np.zeros(3)),
    ]
    engines.train_many(
        spec,
        [start],
        Dataset(np.ones((2, 3000)), np.zeros((2, 3))),
        learning_rates=[0.1],
        steps=1,
        notify=said.append,
    )
    assert len(said) == 1
    assert said[0].startswith("Compiling the fused engine.")


def test_order_is_the_stated_shuffle() -> None:
    mask, gamma = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    out = np.empty(3 * 11, np.int64)
    engines.shuffled_epochs(out, 5, 2, 3, 11)
    for e in range(3):
        expected = list(range(11))
        state = mix((mix((5 + gamma) & mask) + 2 + e) & mask)
        for i in range(10, 0, -1):
            state = (state + gamma) & mask
            drawn = (mix(state) >> 32) * (i + 1) >> 32
            expected[i], expected[drawn] = expected[drawn], expected[i]
        assert out[11 * e : 11 * e + 11].tolist() == expected


def test_errors_name_what_was_given() -> None:
    spec = MLPSpec((4, 3, 2))
    start = start_of(spec, 0)
    with pytest.raises(ValueError, match=r"inputs has shape \(5, 3\)"):
        engines.train_many(
            spec,
            [start],
            Dataset(np.ones((5, 3)), np.ones((5, 2))),
            learning_rates=[0.1],
            steps=1,
        )
    with pytest.raises(ValueError, match="classes run from 0 to 2"):
        engines.train_many(
            spec,
            [start],
            Dataset(np.ones((3, 4)), np.arange(3)),
            learning_rates=[0.1],
            steps=1,
        )
    with pytest.raises(ValueError, match=r"layer 0 has weight \(3, 4\)"):
        engines.train_many(
            MLPSpec((4, 5, 2)),
            [start],
            Dataset(np.ones((3, 4)), np.ones((3, 2))),
            learning_rates=[0.1],
            steps=1,
        )
    with pytest.raises(ValueError, match="softmax in a hidden layer"):
        MLPSpec((4, 3, 2), hidden="softmax")


def test_running_needs_no_torch() -> None:
    # The package above has torch for its other engines, so it is stood in for here.
    lab = Path(engines.__file__).parents[1]
    code = f"""
import sys, types
import numpy as np
sys.modules["torch"] = None
sys.modules["reluctant.lab"] = package = types.ModuleType("reluctant.lab")
package.__path__ = [{str(lab)!r}]
from reluctant.lab.engines import Dataset, MLPSpec, train_many
start = [(np.ones((2, 3)), np.zeros(2))]
data = Dataset(np.ones((4, 3)), np.zeros((4, 2)))
(run,) = train_many(MLPSpec((3, 2)), [start], data, learning_rates=[0.1], steps=9)
assert run.steps == 9
"""
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=os.environ | {"PYTHONPATH": str(lab.parents[1])},
    )
