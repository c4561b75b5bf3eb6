"""Processes that hang, die or talk cost one cell each, and change no other."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from msgspec.msgpack import encode
from torch import nn

from reluctant.lab import Training
from reluctant.lab._cells import Attempt, Cell
from reluctant.lab._torch_engine import TorchEngine, reference_of
from reluctant.records import UsageError

torch.set_num_threads(1)

FILE = Path(__file__).resolve()


def odd(seed: int) -> Training:
    """Seed 1 hangs, 2 dies, 3 raises, 4 talks."""
    if seed == 1:
        time.sleep(600)
    if seed == 2:
        os._exit(7)
    if seed == 3:
        raise ArithmeticError("three")
    if seed == 4:
        os.write(1, b"to stdout\n")
    model = nn.Sequential(nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Training(
        model, nn.MSELoss(), optimizer, [(torch.ones(4, 2), torch.ones(4, 1))]
    )


def run(engine: TorchEngine, seeds: list[int]) -> dict[int, Attempt]:
    found: dict[int, Attempt] = {}
    engine.run(
        [Cell((), 0.1, seed) for seed in seeds],
        lambda attempt: found.update({attempt.cell.seed: attempt}),
    )
    return found


@pytest.mark.slow
def test_each_failure_costs_itself(capfd):
    engine = TorchEngine(f"{FILE}:odd", steps={(): 20}, workers=2, timeout=8)
    try:
        found = run(engine, [0, 1, 2, 3, 4, 5])
        again = run(engine, [0])
    finally:
        engine.close()
    assert "to stdout" not in capfd.readouterr().out
    alone = run(TorchEngine(odd, steps={(): 20}, workers=0), [0, 4, 5])
    for seed, attempt in alone.items():  # as bytes: nan is not nan
        assert encode(found[seed]) == encode(attempt)
    assert encode(again[0]) == encode(alone[0])
    assert (found[1].stop, found[1].reason) == ("hung", "no answer in 8 seconds")
    assert found[2].stop == "raised"
    assert found[2].reason == "the worker process ended with 7"
    assert found[3].reason == "ArithmeticError: three"


@pytest.mark.slow
def test_recipe_that_workers_cannot_load(tmp_path):
    recipe = tmp_path / "recipe.py"
    recipe.write_text("raise ImportError('only here')")
    engine = TorchEngine(f"{recipe}:make", steps={(): 1}, workers=1)
    with pytest.raises(UsageError, match="ImportError: only here"):
        run(engine, [0])
    assert not engine._workers


@pytest.mark.slow
def test_workers_end_with_their_parent():
    code = (
        "import sys, threading, os, time\n"
        "from reluctant.lab._cells import Cell\n"
        "from reluctant.lab._torch_engine import TorchEngine\n"
        f"engine = TorchEngine({str(FILE) + ':odd'!r}, steps={{(): 20}}, workers=1)\n"
        "def die():\n"
        "    while not (engine._workers and engine._workers[0].has_begun):\n"
        "        time.sleep(0.1)\n"
        "    print(engine._workers[0]._process.pid, flush=True)\n"
        "    os._exit(9)\n"
        "threading.Thread(target=die).start()\n"
        "engine.run([Cell((), 0.1, 1)], print)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    worker = int(done.stdout)
    for _ in range(300):
        if not Path(f"/proc/{worker}/cmdline").exists():
            return
        if not Path(f"/proc/{worker}/cmdline").read_bytes():  # waits to be reaped
            return
        time.sleep(0.1)
    pytest.fail("the worker goes on")


def test_names_that_other_processes_can_load():
    assert reference_of(odd) in (f"{FILE}:odd", f"{__name__}:odd")
    assert reference_of(lambda seed: odd(seed)) is None

    def inside(seed: int) -> Training:
        return odd(seed)

    assert reference_of(inside) is None
    from reluctant.lab import _recipe

    assert reference_of(_recipe.build) == "reluctant.lab._recipe:build"


def test_hanging_in_this_process_costs_itself():
    found = run(TorchEngine(odd, steps={(): 20}, workers=0, timeout=1), [0, 1, 3])
    assert [found[seed].stop for seed in (0, 1, 3)] == ["done", "hung", "raised"]
    assert "the training has not ended in 1 seconds" in found[1].reason
