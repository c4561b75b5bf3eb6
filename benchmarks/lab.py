"""What the fused engine gains, against those one would use instead: one run, one table.

All engines train the same network, 784-100-10 with ReLU and ReLU, squared error,
minibatch 1, from the same start in the same order. They take turns, so a busy machine
slows all alike; what is compared is steps per second of processor time, as a median
over rounds. Longer than most files: one table, one file.

    python benchmarks/lab.py [--quick] [--data FOLDER] [--rounds N]

FOLDER, or RELUCTANT_DATA, holds the four gzipped IDX files of MNIST; without it the
inputs are noise of the same sparsity.
"""

from __future__ import annotations

import argparse
import ctypes
import gzip
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before anything loads a thread pool

import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from reluctant.lab.engines import SGD, Adam, Dataset, MLPSpec  # noqa: E402
from reluctant.lab.engines import _driver as driver  # noqa: E402
from reluctant.lab.engines._emit import LANES  # noqa: E402

RATE = 0.05
WIDTHS = (784, 100, 10)
Run = Callable[[int], float]  # steps -> seconds of processor time


def idx(path: Path, offset: int, shape: tuple[int, ...]) -> Any:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset).reshape(shape)


def load(folder: str | None) -> tuple[Any, Any, str]:
    if folder:
        images = idx(Path(folder) / "t10k-images-idx3-ubyte.gz", 16, (10000, 784))
        labels = idx(Path(folder) / "t10k-labels-idx1-ubyte.gz", 8, (10000,))
        x = images.astype(np.float32) / 255
        return x, np.eye(10, dtype=np.float32)[labels], "MNIST, 10,000 images"
    rng = np.random.default_rng(0)
    x = rng.random((10000, 784), np.float32) * (rng.random((10000, 784)) < 0.193)
    t = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 10000)]
    return x.astype(np.float32), t, "noise, 19.3 % of inputs not zero"


def start(widths: tuple[int, ...], std: float) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(1)
    return [
        ((rng.normal(size=(o, i)) * std).astype(np.float32), np.zeros(o, np.float32))
        for i, o in itertools.pairwise(widths)
    ]


def timed(work: Callable[[], Any]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def fused(
    spec: MLPSpec, data: Dataset, rate: float, parameters: Any, order: Any
) -> Run:
    """Run the driver's own loop on one network, data prepared beforehand."""

    def plan(steps: int) -> Any:
        every = None if order is None else (lambda _, __: order)
        return driver._plan(
            spec, data, steps, None, every, steps, None, None, np.float32, "auto"
        )

    prepared = plan(1)

    def run(steps: int) -> float:
        from dataclasses import replace

        now = replace(prepared, steps=steps, record_every=steps)
        done = np.zeros(1, np.int64)
        return timed(lambda: driver._train(now, [parameters], 0, rate, 0, done))

    run(10)
    return run


def padded(parameters: Any) -> list[Any]:
    """Return input-major rows padded to vectors, the bias last."""
    rows = []
    for weight, bias in parameters:
        pad = LANES if weight.shape[0] > 16 else 16
        width = -(-weight.shape[0] // pad) * pad
        table = driver.lay.aligned((weight.shape[1] + 1) * width, np.float32)
        view = table.reshape(-1, width)
        view[:-1, : weight.shape[0]] = weight.T
        view[-1, : weight.shape[0]] = bias
        rows.append(table)
    return rows


def special(x: Any, t: Any, order: Any) -> Run:
    import _lab_special

    spec = MLPSpec(WIDTHS, "relu", "relu")
    samples = driver.prepare(Dataset(x, t), spec, np.float32)
    parameters = start(WIDTHS, 0.05)
    new = driver.lay.aligned

    def run(steps: int) -> float:
        w1, w2 = padded(parameters)
        scratch = [new(128, np.float32) for _ in range(4)]
        active, out, dot = (
            new(128, np.uint32),
            new(128, np.float32),
            new(128, np.float32),
        )
        long = np.resize(order, steps)
        return timed(
            lambda: _lab_special.train(
                w1,
                w2,
                samples.start,
                samples.column,
                samples.value,
                samples.target,
                long,
                steps,
                np.float32(RATE),
                *scratch,
                active,
                out,
                dot,
            )
        )

    run(10)
    return run


class Native:
    """The hand-written C++ code, compiled when asked for."""

    def __init__(self, x: Any, t: Any, order: Any) -> None:
        compiler = shutil.which("g++")
        if compiler is None:
            raise RuntimeError("no g++ on this machine")
        if LANES != 16:
            raise RuntimeError("no AVX-512 on this machine")
        self.folder = tempfile.TemporaryDirectory()
        library = Path(self.folder.name) / "native.so"
        source = HERE / "_lab_native.cpp"
        flags = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", library, source], check=True)
        self.code = ctypes.CDLL(str(library))
        spec = MLPSpec(WIDTHS, "relu", "relu")
        self.samples = driver.prepare(Dataset(x, t), spec, np.float32)
        self.order = order
        self.rows = round(self.samples.value.size / len(x))

    def run(self, steps: int) -> float:
        w1, w2 = padded(start(WIDTHS, 0.05))
        s, order = self.samples, np.resize(self.order, steps)
        arrays = (w1, w2, s.start, s.column, s.value, s.target, order)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        return timed(
            lambda: self.code.train(
                *pointers, ctypes.c_long(steps), ctypes.c_float(RATE)
            )
        )

    def sweep(self, steps: int) -> float:
        w = driver.lay.aligned(785 * 112, np.float32)
        return timed(
            lambda: self.code.sweep(
                ctypes.c_void_p(w.ctypes.data),
                ctypes.c_long(self.rows),
                ctypes.c_long(steps),
            )
        )


def torch_net() -> Any:
    import torch

    torch.set_num_threads(1)
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 100),
        torch.nn.ReLU(),
        torch.nn.Linear(100, 10),
        torch.nn.ReLU(),
    )
    with torch.no_grad():
        for (weight, bias), place in zip(start(WIDTHS, 0.05), (0, 2), strict=True):
            net[place].weight.copy_(torch.from_numpy(weight))
            net[place].bias.copy_(torch.from_numpy(bias))
    return net


def torch_loop(x: Any, t: Any, order: Any) -> Run:
    import torch

    tx, tt = torch.from_numpy(x), torch.from_numpy(t)

    def run(steps: int) -> float:
        net = torch_net()
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
        loss_fn = torch.nn.MSELoss()

        def loop() -> None:
            for i in order[:steps]:
                optimizer.zero_grad()
                loss_fn(net(tx[i : i + 1]), tt[i : i + 1]).backward()
                optimizer.step()

        return timed(loop)

    return run


def torch_vmap(x: Any, t: Any, order: Any) -> Run:
    import torch
    from torch.func import functional_call, grad, vmap

    nets = 32
    tx, tt = torch.from_numpy(x), torch.from_numpy(t)
    net = torch_net()

    def loss(p: Any, a: Any, b: Any) -> Any:
        return torch.nn.functional.mse_loss(functional_call(net, p, (a,)), b)

    slope = vmap(grad(loss))

    def run(steps: int) -> float:
        p = {
            name: value.detach().expand(nets, *value.shape).clone()
            for name, value in net.named_parameters()
        }
        rng = np.random.default_rng(0)
        rounds = max(1, steps // nets)
        index = torch.from_numpy(rng.permuted(np.resize(order, (nets, rounds)), axis=1))

        def loop() -> None:
            for k in range(rounds):
                g = slope(p, tx[index[:, k]], tt[index[:, k]])
                for name in p:
                    p[name].sub_(g[name], alpha=RATE)

        return timed(loop)

    return run


def sklearn_fit(x: Any, t: Any, order: Any) -> Run:
    from sklearn.neural_network import MLPRegressor

    def run(steps: int) -> float:
        # Its output is linear: it has no ReLU there.
        model = MLPRegressor(
            hidden_layer_sizes=(100,),
            solver="sgd",
            batch_size=1,
            learning_rate_init=RATE / 10,
            momentum=0.0,
            alpha=0.0,
            shuffle=False,
        )
        model.partial_fit(x[:1], t[:1])
        a, b = x[order[:steps]], t[order[:steps]]
        return timed(lambda: model.partial_fit(a, b))

    return run


class Peer:
    """An engine in an environment of its own, asked over a pipe."""

    def __init__(self, python: Path, name: str, path: Path) -> None:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115, open as long as the peer
        self.process = subprocess.Popen(
            [python, HERE / "_lab_peers.py", name, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | {"XLA_FLAGS": flags, "CUDA_VISIBLE_DEVICES": ""},
        )

    def run(self, steps: int) -> float:
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
            return float(json.loads(self.process.stdout.readline())["seconds"])
        except (OSError, ValueError):
            self.errors.seek(0)
            last = self.errors.read().decode().strip().rsplit("\n", 1)[-1]
            raise RuntimeError(last or "its process ended") from None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def environment() -> Path:
    """Return the Python of a throw-away environment with JAX and Keras in it."""
    chosen = os.environ.get("RELUCTANT_BENCH_ENV")
    folder = Path(chosen or Path(tempfile.gettempdir()) / "reluctant-bench-env")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"Making an environment for JAX and Keras in {folder}.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = ["jax", "jaxlib", "keras", "torch==2.13.0"]
    have = subprocess.run(
        [python, "-c", "import jax, keras, torch"], capture_output=True
    )
    if have.returncode != 0:
        print(f"Installing {', '.join(wanted)} there.", file=sys.stderr)
        subprocess.run(
            [python, "-m", "pip", "install", "-qq", *wanted],
            check=True,
            stdout=sys.stderr,
        )
    return python


def small_data() -> tuple[Any, Any]:
    x = np.random.default_rng(2).normal(size=(1024, 2)).astype(np.float32)
    return x, np.hypot(x[:, :1], x[:, 1:])


class Table:
    """The engines, their turns and what they took."""

    def __init__(self) -> None:
        self.runs: dict[str, tuple[Run, int]] = {}
        self.rates: dict[str, list[float]] = {}
        self.missing: dict[str, str] = {}

    def add(self, name: str, steps: int, make: Callable[[], Run]) -> None:
        try:
            run = make()
            run(max(1, steps))  # what is compiled at first use is compiled now
        except Exception as error:  # a peer that cannot run is a row, not a crash
            self.missing[name] = str(error).strip().split("\n")[0][:100] or repr(error)
        else:
            self.runs[name] = (run, steps)
            self.rates[name] = []

    def take_turns(self, rounds: int) -> None:
        for number in range(rounds):
            for name, (run, steps) in self.runs.items():
                self.rates[name].append(steps / run(steps))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)

    def rate(self, name: str) -> float | None:
        return statistics.median(self.rates[name]) if name in self.rates else None

    def ratio(self, a: str, b: str) -> float | None:
        """Return the median over rounds of a's rate over b's in the same round."""
        if a not in self.rates or b not in self.rates:
            return None
        pairs = zip(self.rates[a], self.rates[b], strict=True)
        return statistics.median(one / other for one, other in pairs)


def build(table: Table, x: Any, t: Any, order: Any, quick: bool) -> list[Peer]:
    data = Dataset(x, t)
    more = 1 if quick else 3
    plain = MLPSpec(WIDTHS, "relu", "relu")
    big = start(WIDTHS, 0.05)
    table.add("fused", 60000 * more, lambda: fused(plain, data, RATE, big, order))
    table.add("fused, constant widths", 60000 * more, lambda: special(x, t, order))
    native: list[Native] = []

    def by_hand() -> Run:
        native.append(Native(x, t, order))
        return native[0].run

    table.add("C++ by hand, AVX-512", 60000 * more, by_hand)
    table.add("level-two sweep", 60000 * more, lambda: native[0].sweep)
    for name, rule, rate in (
        ("fused, momentum", SGD(momentum=0.9), RATE / 10),
        ("fused, Adam", Adam(), 1e-3),
        ("fused, weight decay", SGD(weight_decay=1e-4), RATE),
    ):
        spec = MLPSpec(WIDTHS, "relu", "relu", optimizer=rule)
        table.add(
            name,
            20000 * more,
            lambda spec=spec, rate=rate: fused(spec, data, rate, big, order),
        )
    table.add("torch loop", 1000 * more, lambda: torch_loop(x, t, order))
    table.add("torch vmap, 32 nets", 1600 * more, lambda: torch_vmap(x, t, order))
    table.add("scikit-learn partial_fit", 1000 * more, lambda: sklearn_fit(x, t, order))
    sx, st = small_data()
    small = start((2, 3, 1), 0.5)
    adam = MLPSpec((2, 3, 1), optimizer=Adam(), batch_size=32)
    table.add(
        "2-3-1 Adam, fused",
        400000 * more,
        lambda: fused(adam, Dataset(sx, st), 1e-3, small, None),
    )
    if quick:
        return []
    folder = tempfile.mkdtemp()
    path = Path(folder) / "data.npz"
    flat = {f"p{k}": p for k, p in enumerate(p for layer in big for p in layer)}
    flat |= {f"s{k}": p for k, p in enumerate(p for layer in small for p in layer)}
    np.savez(path, x=x, t=t, order=order, rate=RATE, sx=sx, st=st, **flat)
    peers: list[Peer] = []
    try:
        python = environment()
    except (OSError, subprocess.CalledProcessError) as error:
        for name in ("JAX jit + scan", "Keras fit", "2-3-1 Adam, JAX vmap + scan"):
            table.missing[name] = str(error)
        return []
    for name, kind, steps in (
        ("JAX jit + scan", "jax_big", 10000),
        ("Keras fit", "keras_fit", 300),
        ("2-3-1 Adam, JAX vmap + scan", "jax_small", 1024 * 1024),
    ):
        peers.append(Peer(python, kind, path))
        table.add(name, steps, lambda peer=peers[-1]: peer.run)
    return peers


# What is measured, against what, and the least ratio that was aimed for.
TARGETS = [
    ("fused", "torch loop", 150.0),
    ("fused", "JAX jit + scan", 4.0),
    ("fused", "Keras fit", 400.0),
    ("fused", "C++ by hand, AVX-512", 0.75),
    ("fused", "fused, constant widths", 1 / 1.3),
    ("2-3-1 Adam, fused", "2-3-1 Adam, JAX vmap + scan", 1.0),
]


def show(table: Table, rows: int) -> None:
    print(f"\n{'engine':34}{'net-steps per CPU-second':>26}{'times torch':>14}")
    for name in table.rates:
        if name == "level-two sweep":
            continue
        of_torch = table.ratio(name, "torch loop")
        beside = (
            "" if name.startswith("2-3-1") or of_torch is None else f"{of_torch:,.1f}"
        )
        print(f"{name:34}{table.rate(name):>26,.0f}{beside:>14}")
    for name, reason in table.missing.items():
        print(f"{name:34}not available: {reason}")
    print()
    for ours, theirs, target in TARGETS:
        ratio = table.ratio(ours, theirs)
        what = f"{ours} / {theirs}"
        if ratio is None:
            print(f"{what:58} target {target:6.2f}  not measured")
            continue
        verdict = "reached" if ratio >= target else "MISSED"
        print(f"{what:58} target {target:6.2f}  measured {ratio:8.2f}  {verdict}")
    small = table.rate("2-3-1 Adam, fused")
    if small is not None:
        verdict = "reached" if small >= 1.5e6 else "MISSED"
        print(
            f"{'2-3-1 Adam, fused, net-steps per CPU-second':58} target  1.5 M  "
            f"measured {small / 1e6:6.2f} M  {verdict}"
        )
    limit = table.ratio("fused", "level-two sweep")
    if limit is not None:
        sweep = table.rate("level-two sweep")
        assert sweep is not None
        speed = sweep * rows * 112 * 4 * 3 / 1e9
        print(
            f"level-two cache: {speed:.0f} GB/s on the rows of one sample; the fused "
            f"engine is at {limit:.2f} of that limit"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a minute, no JAX or Keras"
    )
    parser.add_argument("--data", default=os.environ.get("RELUCTANT_DATA"))
    parser.add_argument("--rounds", type=int, default=None)
    options = parser.parse_args()
    x, t, what = load(options.data)
    order = np.random.default_rng(3).permutation(len(x))
    rows = round(np.count_nonzero(x) / len(x)) + 1
    print(f"784-100-10, minibatch 1, {what}; one core")
    table = Table()
    peers: list[Peer] = []
    try:
        peers = build(table, x, t, order, options.quick)
        table.take_turns(options.rounds or (3 if options.quick else 7))
    finally:
        for peer in peers:
            peer.close()
    show(table, rows)


if __name__ == "__main__":
    main()
