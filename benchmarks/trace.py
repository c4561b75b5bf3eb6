"""What a trace costs on disk: write, open and read a million steps, against rivals.

All arms of one run write the same numbers, one after the other, on one core; read the
ratios, the times belong to the machine. JSON lines is what people write themselves.
TensorBoard's event file takes part where `tensorboard` is installed.

    python benchmarks/trace.py [--frames 1000000]
"""

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from reluctant.records import Trace
from reluctant.records.quantities import LOSS


class Arm(NamedTuple):
    """CPU seconds and bytes of one way to keep a run; nan where a step is missing."""

    name: str
    write: float
    open: float
    read: float
    size: int


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    start = time.process_time()  # on a busy machine wall time tells of others
    yield
    seconds.append(time.process_time() - start)


def loss_at(step: int) -> float:
    return 1.0 / (step + 1)


def trace(folder: Path, frames: int) -> Arm:
    path, seconds = folder / "run.trace", []
    with timed(seconds):
        writer = Trace(sink=path)
        for step in range(frames):
            writer.extend(step, [("loss", "", loss_at(step))])
        writer.close()
    with timed(seconds):
        opened = Trace.open(path)
    with timed(seconds):
        values = opened.series(LOSS).values
    assert len(values) == opened.frames == frames
    assert not opened.damage
    return Arm("reluctant trace", *seconds, path.stat().st_size)


def json_lines(folder: Path, frames: int) -> Arm:
    path, seconds = folder / "run.jsonl", []
    with timed(seconds), path.open("w") as file:
        for step in range(frames):
            file.write(json.dumps({"step": step, "loss": loss_at(step)}) + "\n")
    with timed(seconds), path.open() as file:  # how many steps there are
        count = sum(1 for _ in file)
    with timed(seconds), path.open() as file:
        values = [json.loads(line)["loss"] for line in file]
    assert len(values) == count == frames
    return Arm("JSON lines", *seconds, path.stat().st_size)


def tensorboard(folder: Path, frames: int) -> Arm:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from torch.utils.tensorboard import SummaryWriter

    seconds: list[float] = []
    with timed(seconds):
        writer = SummaryWriter(str(folder / "events"))
        for step in range(frames):
            writer.add_scalar("loss", loss_at(step), step)
        writer.close()
    (path,) = (folder / "events").iterdir()
    with timed(seconds):
        count = sum(1 for _ in EventFileLoader(str(path)).Load())
    assert count >= frames
    return Arm(
        "TensorBoard events", seconds[0], float("nan"), seconds[1], path.stat().st_size
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    frames = parser.parse_args().frames

    arms: list[Callable[[Path, int], Arm]] = [trace, json_lines]
    if importlib.util.find_spec("tensorboard"):
        arms.append(tensorboard)
    else:
        print("tensorboard is not installed: left out", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        rows = [arm(Path(folder), frames) for arm in arms]

    print(f"{frames:,} frames, one number each; in brackets: times the first line's")
    print(f"{'':20}{'write s':>16}{'open s':>16}{'read s':>16}{'MB':>16}")
    first = rows[0]
    for row in rows:
        cells = [row.write, row.open, row.read, row.size / 1e6]
        bases = [first.write, first.open, first.read, first.size / 1e6]
        shown = [f"{c:.2f} ({c / b:.2f})" for c, b in zip(cells, bases, strict=True)]
        print(f"{row.name:20}" + "".join(f"{cell:>16}" for cell in shown))
    if frames >= 1_000_000:
        assert first.open < 15, "a million frames must open in seconds"


if __name__ == "__main__":
    main()
