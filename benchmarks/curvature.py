"""The largest Hessian eigenvalue: products spent, error, and time, beside two peers.

PyHessian and hessian-eigenthings at their defaults, on the same networks and batches
(scikit-learn's digits; a copying task), in turns. Truth is Lanczos in double precision
down to a residual of 10⁻⁶. Products are counted where each tool asks autograd for one.
What is compared is a ratio in one run.

    python benchmarks/curvature.py [--seeds N] [--here]

Sets up `build/curvature-peers` with the peers (they see this interpreter's torch) and
runs itself there; `--here` says that this interpreter has them already.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))
PEERS = ("PyHessian==0.1", "hessian-eigenthings==1.0.0a5", "scipy", "tqdm")
TOOLS = ("reluctant", "reluctant, warm", "PyHessian", "hessian-eigenthings")


class Measured(NamedTuple):
    value: float
    products: int
    seconds: float


def networks(seed: int) -> dict[str, Any]:
    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.nn import functional as F

    from reluctant.lab import Training

    torch.manual_seed(seed)
    pixels, digits = load_digits(return_X_y=True)
    some = torch.randperm(len(pixels))[:512]
    x = torch.tensor(pixels, dtype=torch.float32)[some] / 16
    y = torch.tensor(digits)[some]
    images = x.reshape(-1, 1, 8, 8)
    words = torch.randint(50, (48, 24))

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(50, 32)
            layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(32, 50)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.body(self.embed(tokens))).flatten(0, 1)

    def mlp() -> Any:
        return nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, 10),
        )  # fmt: skip

    def cnn() -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2),
            nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip

    def tiny() -> Any:  # near a saddle: the negative end is as large
        model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
        for p in model.parameters():
            p.data *= 0.1
        return model

    def training(model: Any, loss: Any, batch: Any, steps: int, lr: float) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        made = Training(model, loss, optimizer, [batch])
        made.step(steps)
        return made

    shown = {
        "MLP, start": (mlp(), F.cross_entropy, (x, y), 0, 0.1),
        "MLP, trained": (mlp(), F.cross_entropy, (x, y), 150, 0.1),
        "CNN, start": (cnn(), F.cross_entropy, (images, y), 0, 0.1),
        "CNN, trained": (cnn(), F.cross_entropy, (images, y), 100, 0.1),
        "saddle": (tiny(), F.cross_entropy, (x, y), 0, 0.1),
        "transformer, start": (
            Words(),
            F.cross_entropy,
            (words, words.roll(1, 1).flatten()),
            0,
            0.1,
        ),
        "transformer, trained": (
            Words(),
            F.cross_entropy,
            (words, words.roll(1, 1).flatten()),
            60,
            0.3,
        ),
    }
    return {name: training(*parts) for name, parts in shown.items()}


def truth(training: Any) -> tuple[float, float]:
    """Both ends of the spectrum, in double precision."""
    import torch

    from reluctant.lab.exams._lanczos import largest_eigenpair
    from reluctant.lab.exams.top_eigenvalue import hessian_product

    copy = training.fork()
    copy.model.double()
    ((x, y),) = copy.batches
    copy.batches = [(x.double() if x.is_floating_point() else x, y)]
    product, used = hessian_product(
        [copy.loss(copy.next_batch())], list(copy.model.parameters())
    )
    numbers = torch.Generator().manual_seed(99)
    size = sum(p.numel() for p in used)
    draw = torch.randn(size, generator=numbers, dtype=torch.float64)
    top = largest_eigenpair(product, draw, tolerance=1e-6, most=150)
    low = largest_eigenpair(lambda v: -product(v), draw, tolerance=1e-3, most=60)
    assert top.is_converged, top
    return top.value, -low.value


def ours(training: Any, seed: int, start: Any = None) -> tuple[Measured, Any]:
    from reluctant.lab.exams import top_eigenvalue

    began = time.process_time()
    found = top_eigenvalue(training, seed=seed, start=start)
    seconds = time.process_time() - began
    return Measured(found.value, found.products, seconds), found.vector


def pyhessian(training: Any, seed: int) -> Measured:
    import pyhessian
    import torch

    module = sys.modules[pyhessian.hessian.__module__]
    copy = training.fork()
    ((x, y),) = copy.batches
    spent = counted(module, "hessian_vector_product")
    torch.manual_seed(seed)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tool = module.hessian(copy.model, copy.loss_fn, data=(x, y), cuda=False)
        values, _ = tool.eigenvalues()
    seconds = time.process_time() - began
    return Measured(float(values[0]), spent(), seconds)


def eigenthings(training: Any, seed: int) -> Measured:
    from hessian_eigenthings import HessianOperator, lanczos, supervised_loss

    copy = training.fork()
    ((x, y),) = copy.batches
    began = time.process_time()
    operator = HessianOperator(copy.model, [(x, y)], supervised_loss(copy.loss_fn))
    spent = counted(operator, "matvec")
    found = lanczos(operator, seed=seed)
    seconds = time.process_time() - began
    return Measured(float(found.eigenvalues[0]), spent(), seconds)


def counted(owner: Any, name: str) -> Callable[[], int]:
    """Count the calls of a function from now on, until the count is read."""
    inner, count = getattr(owner, name), 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return inner(*args, **kwargs)

    def read() -> int:
        setattr(owner, name, inner)
        return count

    setattr(owner, name, counting)
    return read


def compare(seeds: int) -> None:
    import torch

    torch.set_num_threads(1)
    rows: dict[str, dict[str, list[tuple[Measured, float]]]] = {}
    ends: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        for name, training in networks(seed).items():
            top, low = truth(training)
            ends.setdefault(name, []).append((top, low))
            into = rows.setdefault(name, {tool: [] for tool in TOOLS})
            cold, vector = ours(training, seed)
            into["reluctant"].append((cold, top))
            into["PyHessian"].append((pyhessian(training, seed), top))
            into["hessian-eigenthings"].append((eigenthings(training, seed), top))
            moved = training.fork()
            moved.step(5)
            warm, _ = ours(moved, seed + 1, vector)
            into["reluctant, warm"].append((warm, truth(moved)[0]))
    print(f"{torch.__version__}, {seeds} seeds, medians; error of λmax, worst seed\n")
    head = f"{'network':21} {'λmax':>8} {'λmin':>8}  {'tool':20}"
    print(f"{head} {'products':>8} {'error':>9} {'worst':>9} {'CPU time':>9}")
    for name, tools in rows.items():
        top = statistics.median(t for t, _ in ends[name])
        low = statistics.median(b for _, b in ends[name])
        base = statistics.median(m.seconds for m, _ in tools["reluctant"])
        for tool, runs in tools.items():
            errors = [m.value / t - 1 for m, t in runs]
            products = statistics.median(m.products for m, _ in runs)
            ratio = statistics.median(m.seconds for m, _ in runs) / base
            where = f"{name:21} {top:8.3g} {low:8.3g}" if tool == TOOLS[0] else " " * 39
            print(
                f"{where}  {tool:20} {products:8.0f} "
                f"{statistics.median(errors):+9.2%} {max(errors, key=abs):+9.2%} "
                f"{ratio:8.2f}x"
            )


def environment() -> Path:
    """A Python that has the peers, and sees the torch of this one."""
    folder = HERE.parent / "build" / "curvature-peers"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    mark = folder / "installed"
    wanted = " ".join(PEERS)
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = subprocess.check_output([python, "-c", ask], text=True).strip()
    seen = Path(theirs, "torch-of-the-caller.pth")
    seen.write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", *PEERS]
    subprocess.run(install, check=True)
    mark.write_text(wanted, "utf-8")
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--here", action="store_true")
    given = parser.parse_args()
    if given.here:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        # fused attention has no second derivative, whoever asks for it
        with sdpa_kernel(SDPBackend.MATH):
            compare(given.seeds)
        return
    again = [environment(), __file__, "--here", "--seeds", str(given.seeds)]
    sys.exit(subprocess.run(again, check=False).returncode)


if __name__ == "__main__":
    main()
