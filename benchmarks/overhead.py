"""What watching costs: watched against unwatched step time, in the same run.

Both trainings start from the same seed and take turns block by block, in random order,
so that a machine that slows down slows both. Reported is the median over blocks of the
ratio of CPU time (on CUDA: wall time between synchronizations), with the interval of a
bootstrap over blocks; an unwatched twin against another gives the noise. What watching
takes to start with is told apart: the watched training first runs alone for --warm
seconds, and its own account of what that cost is printed.

    python benchmarks/overhead.py [--blocks 20] [--warm 25] [--cuda] [--peers]
"""

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant


def mlp() -> tuple[nn.Module, Callable[[], tuple[Tensor, Tensor]], str]:
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
        nn.Linear(512, 10),
    )  # fmt: skip
    return model, lambda: (torch.randn(64, 784), torch.randint(10, (64,))), "sgd"


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(h)))


def cnn() -> tuple[nn.Module, Callable[[], tuple[Tensor, Tensor]], str]:
    model = nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        Residual(24), nn.MaxPool2d(2), Residual(24), nn.MaxPool2d(2), Residual(24),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    return model, lambda: (torch.randn(32, 3, 32, 32), torch.randint(10, (32,))), "sgd"


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(96, 128)
        layer = nn.TransformerEncoderLayer(
            128, 4, 512, dropout=0.1, activation="relu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, 96)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x))).transpose(1, 2)


def transformer() -> tuple[nn.Module, Callable[[], tuple[Tensor, Tensor]], str]:
    draw = lambda: (torch.randint(96, (8, 128)), torch.randint(96, (8, 128)))  # noqa: E731
    return Transformer(), draw, "adamw"


NETS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
Start = Callable[[nn.Module, torch.optim.Optimizer], Callable[[Tensor], object]]


class Arm:
    """One training that can be run on for a number of steps."""

    def __init__(self, net: str, device: torch.device, start: Start | None) -> None:
        torch.manual_seed(0)
        model, draw, optimizer = NETS[net]()
        self.model = model.to(device)
        parameters = self.model.parameters()
        self.optimizer = (
            torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
            if optimizer == "sgd"
            else torch.optim.AdamW(parameters, lr=3e-4)
        )
        self.batches = [tuple(t.to(device) for t in draw()) for _ in range(8)]
        self.see = start(self.model, self.optimizer) if start else None
        self.watch = getattr(self.see, "__self__", None)
        self.device, self.at = device, 0
        self.paused = time.perf_counter()

    def run(self, steps: int) -> float:
        """Seconds a step."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        clock = time.perf_counter if self.device.type == "cuda" else time.thread_time
        if self.watch:  # its budget grows with time: not with what others take
            self.watch._governor._began += time.perf_counter() - self.paused
        began = clock()
        for _ in range(steps):
            x, y = self.batches[self.at % len(self.batches)]
            self.at += 1
            loss = F.cross_entropy(self.model(x), y)
            if self.see:
                self.see(loss)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.paused = time.perf_counter()
        return (clock() - began) / steps

    def warm_up(self, seconds: float, steps: int) -> str:
        """Run alone for a while; what watching says it took."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.run(steps)
        return self.watch._governor.report() if self.watch else ""


def ours(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> Callable[[Tensor], object]:
    return reluctant.watch(model, optimizer).loss


def naive(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> Callable[[Tensor], object]:
    """What people write by hand: statistics of every activation, on every step."""

    def look(module: nn.Module, args: object, output: object) -> None:
        if isinstance(output, Tensor):
            for value in (output.mean(), output.std(), (output == 0).float().mean()):
                value.item()

    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    return lambda loss: loss.item()


def interval(ratios: list[float]) -> tuple[float, float]:
    draw = random.Random(0)
    medians = sorted(
        statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(1000)
    )
    return medians[25], medians[974]


def compare(
    net: str, device: torch.device, blocks: int, steps: int, warm: float, peers: bool
) -> Iterator[dict[str, object]]:
    arms = {
        "unwatched": Arm(net, device, None),
        "unwatched twin": Arm(net, device, None),
        "reluctant.watch": Arm(net, device, ours),
    }
    if peers:
        arms["hooks by hand"] = Arm(net, device, naive)
    order = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in arms}
    said = arms["reluctant.watch"].warm_up(warm, steps)
    print(f"{net:12} to start with: {said}")
    for arm in arms.values():
        arm.run(steps)
    for _ in range(blocks):
        for name in order.sample(list(arms), len(arms)):
            times[name].append(arms[name].run(steps))
    base = times["unwatched"]
    for name in list(arms)[1:]:
        ratios = [a / b for a, b in zip(times[name], base, strict=True)]
        low, high = interval(ratios)
        yield {
            "net": net,
            "arm": name,
            "step_ms": 1e3 * statistics.median(base),
            "ratio": statistics.median(ratios),
            "low": low,
            "high": high,
            "start_up": said,
            "blocks": blocks,
            "steps": steps,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--warm", type=float, default=25.0)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if options.cuda else "cpu")
    print(f"torch {torch.__version__}, {platform.machine()}, {device}, one thread")
    print(f"{'net':12} {'arm':16} {'step':>9} {'ratio':>7} {'95 %':>16}")
    rows = []
    for net in options.nets:
        steps = {"mlp": 40, "cnn": 6, "transformer": 4}[net] * (
            10 if options.cuda else 1
        )
        settings = options.blocks, steps, options.warm, options.peers
        for row in compare(net, device, *settings):
            rows.append(row)
            print(
                f"{net:12} {row['arm']:16} {row['step_ms']:6.2f} ms "
                f"{row['ratio']:7.3f} "
                f"[{row['low']:.3f}, {row['high']:.3f}]"
            )
            sys.stdout.flush()
    print("ratio: watched / unwatched, median over blocks, after the start-up")
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
