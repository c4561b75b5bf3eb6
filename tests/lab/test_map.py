"""A map shows where a training fails, whoever trains and however often it was cut."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import reluctant
from reluctant.lab import MapInterrupted, StepSizeLimit, Training, success_map
from reluctant.lab._cells import Setting, no_limit
from reluctant.lab._torch_engine import TorchEngine
from reluctant.records import Heatmap, MapSlice, SuccessMap, UsageError
from reluctant.report.map_json import map_from_json, map_to_json

torch.set_num_threads(1)

FILE = Path(__file__).resolve()
RATES = [float(f"{rate:.4g}") for rate in np.geomspace(0.05, 5, 24)]


def squares(seed: int) -> Training:
    """Linear least squares, full batch: diverges past 2/λmax, and nowhere before."""
    x, y = data()
    model = nn.Sequential(nn.Linear(5, 1, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Training(model, nn.MSELoss(), optimizer, [(x, y)])


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator)
    return x, x @ torch.randn(5, 1, generator=generator)


def scaled(seed: int) -> Training:
    """Least squares with a limit of its own for each seed."""
    training = squares(seed)
    scale = 1 + 0.2 * (seed * 7 % 5)
    training.batches = [(x * scale, y) for x, y in [data()]]
    return training


def exact_limit() -> float:
    x, _ = data()
    return 2 / float(torch.linalg.eigvalsh(2 * x.T @ x / len(x)).max())


def classes(seed: int) -> Training:
    """A small classifier that trains at low rates, one sample at a time."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, 4, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.ReLU())
    loader = DataLoader(TensorDataset(x, F.one_hot(y).float()), 2, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Training(model, nn.MSELoss(reduction="sum"), optimizer, loader)


def brittle(seed: int) -> Training:
    """Seed 2 cannot be built; above a rate of 1 the loss raises."""
    if seed == 2:
        raise ArithmeticError("no such\nseed")
    training = squares(seed)
    optimizer = training.optimizer

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if optimizer.param_groups[0]["lr"] > 1:
            raise SystemExit("too fast")
        return F.mse_loss(outputs, targets)

    training.loss_fn = loss
    return training


def slow(seed: int) -> Training:
    training = squares(seed)
    time.sleep(0.02)
    return training


def changing(seed: int, *, width: int = 8, activation: str = "tanh") -> Training:
    torch.manual_seed(seed)
    kind = {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]
    model = nn.Sequential(nn.Linear(5, width), kind(), nn.Linear(width, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Training(model, F.mse_loss, optimizer, [data()])


def small(recipe: object = squares, **options: object) -> SuccessMap:
    fixed: dict[str, object] = {"engine": "torch", "workers": 0, "predict": False}
    given = {**fixed, "steps": 60, "seeds": 5, **options}
    return success_map(recipe, given.pop("rates", RATES), **given)


def only(found: SuccessMap) -> MapSlice:
    (part,) = found.slices
    return part


def test_least_squares_fail_past_two_over_the_top_eigenvalue():
    found = small(steps=150, seeds=6)
    threshold = only(found).threshold
    assert threshold.low <= exact_limit() <= threshold.high
    assert threshold.high / threshold.low < 1.3
    assert threshold.low < threshold.median < threshold.high
    assert threshold.coverage >= 0.95
    assert all(seed.is_monotone for seed in threshold.by_seed)
    assert found.trainings < found.grid / 3
    for cell in only(found).cells:
        good = cell.rate < exact_limit()
        assert cell.successes == (cell.n if good else 0)
        assert cell.failures == ({} if good else {"diverged": cell.n})
        assert cell.low <= cell.probability <= cell.high
        assert cell.expected_trainings == (1 if good else math.inf)


def test_adaptive_has_the_boundary_of_the_full_grid():
    adaptive = small(scaled, rates=RATES[4:18], seeds=6)
    full = small(scaled, rates=RATES[4:18], seeds=6, full=True)
    assert full.trainings == full.grid > adaptive.trainings
    assert full.is_full
    a, b = only(adaptive), only(full)
    whole = {(run.rate, run.seed): msgspec.msgpack.encode(run) for run in b.runs}
    for run in a.runs:
        assert msgspec.msgpack.encode(run) == whole[run.rate, run.seed]
    assert a.threshold == b.threshold
    # each seed's bracket holds its own limit
    for seed in a.threshold.by_seed:
        limit = exact_limit() / (1 + 0.2 * (seed.seed * 7 % 5)) ** 2
        assert seed.low <= limit <= seed.high


def test_cell_that_raises_costs_itself():
    found = small(brittle, rates=[0.1, 0.5, 2.0], seeds=4, full=True)
    outcomes = {(run.rate, run.seed): run for run in only(found).runs}
    assert len(outcomes) == 12
    assert outcomes[0.1, 2].outcome == "raised"
    assert outcomes[0.1, 2].reason == "ArithmeticError: no such seed"
    assert outcomes[2.0, 1].reason == "SystemExit: too fast"
    assert outcomes[0.5, 3].outcome == "trained"


def test_recipe_that_never_builds_is_an_error_of_the_recipe():
    def broken(seed: int) -> Training:
        raise ArithmeticError("always")

    with pytest.raises(ArithmeticError, match="always"):
        small(broken)


def test_predicts_the_limit_of_the_textbook():
    found = small(rates=[0.1], predict=True, steps=400, seeds=2)
    assert only(found).threshold.predicted == pytest.approx(exact_limit(), rel=0.1)


def test_json_goes_both_ways_and_is_documented():
    found = small(rates=[0.1, 4.0], predict=True, steps=20, seeds=2)
    text = map_to_json(found)
    assert text.isascii()
    document = json.loads(text)
    assert document["schema"] == "reluctant.map/1"
    assert map_to_json(map_from_json(text)) == text
    page = (FILE.parents[2] / "docs/map.md").read_text("utf-8")
    part = document["slices"][0]
    rows = [document, part, part["cells"][0], part["runs"][0], part["threshold"]]
    rows.append(part["threshold"]["by_seed"][0])
    assert [k for row in rows for k in row if f"`{k}`" not in page] == []
    for wrong in ("[]", "{", '{"schema": "reluctant.map/1"}'):
        with pytest.raises(UsageError, match=r"this is no map|schema"):
            map_from_json(wrong)


def test_figures():
    from reluctant.report.map_figures import figures_of

    found = small(changing, rates=[0.01, 0.1], axes={"width": [2, 4]}, seeds=2)
    by_rate, by_width, *grids = figures_of(found)
    assert [line.name for line in by_rate.lines] == ["width 2", "width 4"]
    assert by_width.name == "threshold-by-width"
    assert [isinstance(grid, Heatmap) for grid in grids] == [True, True]
    names = {figure.name for figure in figures_of(found)}
    assert len(names) == 4


class TestResume:
    def test_a_second_call_trains_nothing(self, tmp_path):
        told: list[tuple[int, int]] = []
        first = small(folder=tmp_path)
        again = small(
            folder=tmp_path, on_progress=lambda done, all_, what: told.append((done, 1))
        )
        assert map_to_json(again) == map_to_json(first) == map_to_json(small())
        assert len({done for done, _ in told}) <= 6  # rounds, not trainings

    def test_more_seeds_rates_and_another_criterion_use_what_is_there(self, tmp_path):
        small(folder=tmp_path, full=True, seeds=3)
        built = []

        def counting(seed: int) -> Training:
            built.append(seed)
            return squares(seed)

        counting.__qualname__ = "squares"  # in the same source file
        small(counting, folder=tmp_path, full=True, seeds=4, success="loss<0.1")
        assert built.count(3) == len(RATES)
        assert 1 not in built

    def test_a_prediction_is_kept_until_the_gap_allowed_is_another(
        self, tmp_path, monkeypatch
    ):
        asked: list[float] = []

        def predict(
            self: TorchEngine, setting: Setting, steps: int, gap: float
        ) -> StepSizeLimit:
            asked.append(gap)
            return no_limit("never")

        monkeypatch.setattr(TorchEngine, "predict", predict)
        for success in ("gap<0.05", "gap<0.05", "gap<0.1", "loss<0.1"):
            small(folder=tmp_path, rates=[0.1], predict=True, success=success)
        assert asked == [0.05, 0.1, 0.05]  # where no gap is given, the default's

    def test_ctrl_c_keeps_what_is_done(self, tmp_path):
        def interrupt(done: int, expected: int, what: str) -> None:
            assert done <= expected
            if done == 7:
                raise KeyboardInterrupt

        with pytest.raises(MapInterrupted) as caught:
            small(folder=tmp_path, on_progress=interrupt)
        assert caught.value.partial.trainings == 7
        assert not caught.value.partial.is_complete
        assert map_to_json(small(folder=tmp_path)) == map_to_json(small())

    @pytest.mark.parametrize("cut", [1, 9, 40])
    def test_torn_at_any_byte(self, tmp_path, cut):
        whole = map_to_json(small(folder=tmp_path))
        (file,) = tmp_path.glob("*.cells")
        file.write_bytes(file.read_bytes()[:-cut])
        assert map_to_json(small(folder=tmp_path)) == whole

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"steps": 61}, r"length of a training 60 steps, and .* 61 steps"),
            ({"recipe": classes}, r"recipe squares .* recipe classes"),
        ],
    )
    def test_another_map_in_the_folder_is_refused(self, tmp_path, change, reason):
        small(folder=tmp_path, rates=[0.1])
        with pytest.raises(UsageError, match=reason):
            small(**{"recipe": squares, "rates": [0.1], "folder": tmp_path, **change})

    def test_changed_file_is_refused(self, tmp_path):
        recipe = tmp_path / "recipe.py"
        source = FILE.read_text("utf-8").replace(
            "FILE = Path(__file__)", "FILE = Path('.')"
        )
        recipe.write_text(source)
        small(f"{recipe}:squares", rates=[0.1], folder=tmp_path / "map")
        recipe.write_text(source.replace("lr=0.01", "lr=0.02"))
        with pytest.raises(UsageError, match=r"recipe\.py:squares"):
            small(f"{recipe}:squares", rates=[0.1], folder=tmp_path / "map")

    def test_two_at_once_are_refused(self, tmp_path):
        pytest.importorskip("fcntl")

        def again(done: int, expected: int, what: str) -> None:
            with pytest.raises(UsageError, match="another process"):
                small(folder=tmp_path)
            raise KeyboardInterrupt

        with pytest.raises(MapInterrupted):
            small(folder=tmp_path, on_progress=again)

    @pytest.mark.slow
    def test_kill_9_loses_nothing(self, tmp_path):
        code = (
            "import sys, torch; from pathlib import Path\n"
            "from reluctant.lab import success_map\n"
            f"success_map({str(FILE) + ':slow'!r}, {RATES!r}, seeds=5, steps=60, "
            "engine='torch', workers=0, predict=False, folder=Path(sys.argv[1]))"
        )
        folder = tmp_path / "map"
        for done in (3, 12):
            with subprocess.Popen([sys.executable, "-c", code, str(folder)]) as process:
                for _ in range(6000):
                    if sum(map(_frames, folder.glob("*.cells"))) >= done:
                        break
                    time.sleep(0.01)
                os.kill(process.pid, signal.SIGKILL)
            kept = sum(map(_frames, folder.glob("*.cells")))
            assert done <= kept < 32
        recipe = f"{FILE}:slow"
        resumed = small(recipe, folder=folder)
        assert map_to_json(resumed) == map_to_json(small(recipe))


def _frames(file: Path) -> int:
    from reluctant.records._frames import FrameFile

    return max(0, len(FrameFile(file)) - 1)


@pytest.mark.slow
def test_workers_change_nothing():
    recipe = f"{FILE}:classes"
    maps = [
        small(recipe, rates=RATES[4:18:2], workers=workers, predict=True)
        for workers in (0, 1, 2)
    ]
    assert len({map_to_json(found) for found in maps}) == 1


class TestFused:
    pytestmark = pytest.mark.slow

    def test_agrees_cell_by_cell_where_chance_is_out(self):
        fused = small(engine="fused", workers=2, steps=400, seeds=6)
        torch_ = small(steps=400, seeds=6)
        assert fused.engine == "fused"
        assert only(fused).threshold == only(torch_).threshold
        for one, two in zip(only(fused).runs, only(torch_).runs, strict=True):
            assert (one.rate, one.seed, one.outcome) == (
                two.rate,
                two.seed,
                two.outcome,
            )
            assert one.loss == pytest.approx(two.loss, rel=1e-3, abs=1e-6, nan_ok=True)

    def test_agrees_within_chance_elsewhere(self):
        options = {"rates": RATES[2:20:3], "seeds": 12, "steps": 300, "full": True}
        fused = only(small(classes, engine="fused", workers=1, **options))
        torch_ = only(small(classes, **options))
        assert [cell.rate for cell in fused.cells] == [c.rate for c in torch_.cells]
        for one, two in zip(fused.cells, torch_.cells, strict=True):
            assert one.low <= two.high
            assert two.low <= one.high

    def test_threads_lots_and_order_change_nothing(self, monkeypatch):
        one = small(classes, engine="fused", workers=1, rates=RATES[4:18:2])
        monkeypatch.setattr("reluctant.lab._map_fused.LOT", 3)
        two = small(classes, engine="fused", workers=2, rates=RATES[4:18:2])
        assert map_to_json(one) == map_to_json(two)

    def test_a_seed_that_breaks(self):
        def odd(seed: int) -> Training:
            if seed == 1:
                raise ArithmeticError("odd")
            return squares(seed)

        runs = only(small(odd, engine="fused", rates=[0.1], seeds=3)).runs
        assert [run.outcome for run in runs] == ["trained", "raised", "trained"]

    def test_predicts(self):
        found = small(classes, engine="fused", rates=[0.05], predict=True, steps=1000)
        threshold = only(found).threshold
        assert threshold.predicted > 0 or threshold.predicted_note

    def test_says_why_it_cannot_and_goes_on_with_torch(self):
        found = small(brittle, engine="auto", rates=[0.1])
        assert found.engine == "torch"
        assert "the loss is loss" in found.notes[0]
        with pytest.raises(UsageError, match="fused engine cannot"):
            small(brittle, engine="fused")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rates": []}, "learning rates"),
        ({"rates": [0.1, 0.1]}, "each once"),
        ({"rates": [-1.0]}, "above 0"),
        ({"seeds": 0}, "seeds are"),
        ({"steps": 0}, "steps is 0"),
        ({"epochs": 2}, "give one of them"),
        ({"axes": {"depth": [2]}}, "no axis 'depth'"),
        ({"axes": {"width": [0]}}, "width 0"),
        ({"axes": {"activation": ["relux"]}}, "no activation 'relux'"),
        ({"axes": {"width": [3]}}, r"width cannot be set .* 1 Linear"),
        ({"success": "loss>1"}, "below its limit"),
        ({"success": "speed>1"}, "no criterion"),
        ({"success": "gap<2"}, "between 0 and 1"),
    ],
)
def test_misuse(options, reason):
    with pytest.raises(UsageError, match=reason):
        small(**options)


def test_stream_needs_steps_and_is_judged_by_its_training_loss():
    class Endless:
        def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            while True:
                yield data()

    def streaming(seed: int) -> Training:
        training = squares(seed)
        training.batches = Endless()
        return training

    with pytest.raises(UsageError, match="has no length"):
        small(streaming, steps=None)
    found = small(streaming, rates=[0.1, 4.0], steps=50)
    outcomes = {run.rate: run.outcome for run in only(found).runs}
    assert outcomes == {0.1: "trained", 4.0: "diverged"}


def test_nothing_learned_is_no_success():
    def deaf(seed: int) -> Training:
        training = squares(seed)
        training.batches = [(x, torch.randn_like(y)) for x, y in [data()]]
        with torch.no_grad():
            training.model[0].weight.zero_()
        return training

    found = small(deaf, rates=[1e-6, 1e-5], seeds=2)
    assert all(run.outcome != "trained" for run in only(found).runs)
    assert "none counts as success" in found.notes[-1]


def test_public_name():
    assert reluctant.success_map is success_map

    def test_a_seed_that_never_builds(self):
        def odd(seed: int) -> Training:
            if seed == 1:
                time.sleep(600)
            return squares(seed)

        found = small(odd, engine="fused", rates=[0.1], seeds=3, timeout=1)
        assert [run.outcome for run in only(found).runs] == [
            "trained",
            "hung",
            "trained",
        ]


def test_recipe_that_never_builds():
    with pytest.raises(UsageError, match="has not ended in"):
        small(lambda seed: time.sleep(600), rates=[0.1], seeds=2, timeout=0.2)
