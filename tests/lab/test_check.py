"""A check before training: what it leaves untouched, and what it says it cannot see."""

import copy
import random
import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import reluctant
from reluctant import Trace, Training
from reluctant.lab import check_training
from reluctant.lab._check_exams import EXAMS
from reluctant.records import Diagnosis, UsageError
from reluctant.records.quantities import (
    CENSUS_FIRED,
    CENSUS_SAMPLES,
    CENSUS_WHOLE,
    GRAD_KEPT,
    LOSS,
    LOSS_REPLICATION,
    OUTPUT_SIMPLEX,
    OVERFIT_SKILL,
    SAMPLE_LEAK,
    STEP_LIMIT,
    TOP_EIGENVALUE,
)

torch.set_num_threads(1)


class Noisy(Dataset):
    """Draws from four generators, two of its own."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        self.own = np.random.default_rng(5)
        self.inside = {"torch": torch.Generator().manual_seed(6)}

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(self.x[i].shape, generator=self.inside["torch"])
        scale = self.own.normal() + random.random() + np.random.rand()  # noqa: NPY002
        return self.x[i] + 0.01 * scale * noise, self.y[i]


def parts(kind: str = "plain"):
    torch.manual_seed(0)
    centers = 2 * torch.randn(4, 12)
    y = torch.randint(4, (256,))
    x = centers[y] + torch.randn(256, 12)
    model = nn.Sequential(
        nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(32, 4),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss(weight=torch.ones(4))
    data = Noisy(x, y) if kind == "noisy" else TensorDataset(x, y)
    generator = torch.Generator().manual_seed(9)
    loader = DataLoader(data, 32, shuffle=True, generator=generator)
    return model, loss_fn, optimizer, loader


def states(model, loss_fn, optimizer, loader) -> list[bytes]:
    """Everything that a look must not move, as bytes."""
    tensors = [*model.state_dict().values(), *loss_fn.state_dict().values()]
    tensors += [p.grad for p in model.parameters() if p.grad is not None]
    for state in optimizer.state_dict()["state"].values():
        tensors += [v for v in state.values() if isinstance(v, Tensor)]
    tensors += [torch.get_rng_state(), loader.generator.get_state()]
    data = loader.dataset
    marks = [repr(optimizer.state_dict()["param_groups"]), repr(random.getstate())]
    marks += [repr(np.random.get_state())]  # noqa: NPY002
    marks += [repr([m.training for m in model.modules()])]
    marks += [repr([len(m._forward_hooks) for m in model.modules()])]
    marks += [repr(sorted(vars(loader))), repr(loader._iterator)]
    marks += [repr(loader.num_workers)]
    if isinstance(data, Noisy):
        marks.append(repr(data.own.bit_generator.state))
        tensors.append(data.inside["torch"].get_state())
        tensors.append(data.x)
    return [*(t.numpy().tobytes() for t in tensors), *(m.encode() for m in marks)]


@pytest.mark.parametrize("kind", ["plain", "noisy"])
def test_leaves_everything_as_it_was(kind):
    given = parts(kind)
    model, loss_fn, optimizer, loader = given
    for x, y in loader:  # some state to disturb
        loss_fn(model(x), y).backward()
        optimizer.step()
    before = states(*given)
    diagnosis = reluctant.check(*given, budget=60.0)
    assert states(*given) == before
    measured = {e.name for e in diagnosis.exams if e.outcome == "measured"}
    assert measured == set(EXAMS) - {"loop"}


@pytest.mark.slow
def test_what_follows_is_what_would_have_followed():
    plain, looked = parts("noisy"), parts("noisy")
    torch.manual_seed(1)
    state = random.getstate(), np.random.get_state()  # noqa: NPY002
    reluctant.check(*looked)
    assert random.getstate() == state[0]
    after = []
    for model, loss_fn, optimizer, loader in (plain, looked):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        after.append([t.numpy().tobytes() for t in model.state_dict().values()])
    assert after[0] == after[1]


def test_a_model_that_writes_into_its_input_writes_into_a_copy():
    x, y = torch.randn(32, 6), torch.randn(32, 1)
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 8), nn.Linear(8, 1))
    before = x.clone()
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    reluctant.check(model, F.mse_loss, sgd, [(x, y)])
    assert torch.equal(x, before)


@pytest.mark.slow
def test_is_the_same_twice():
    first, second = (reluctant.check(*parts(), budget=60.0) for _ in range(2))

    def told(diagnosis: Diagnosis):
        return [
            (e.name, e.outcome, e.text) for e in diagnosis.exams
        ], diagnosis.findings

    assert told(first) == told(second)


def test_every_measurement_is_in_the_record(tmp_path):
    diagnosis = reluctant.check(*parts(), record=tmp_path, name="net", budget=60.0)
    trace = Trace.open(tmp_path / "net.trace")
    again = reluctant.diagnose(trace)
    assert again == diagnosis
    for quantity in (
        LOSS, LOSS_REPLICATION, OVERFIT_SKILL, TOP_EIGENVALUE, STEP_LIMIT,
        CENSUS_SAMPLES,
    ):  # fmt: skip
        assert trace.has(quantity), quantity.name
    assert trace.series(LOSS_REPLICATION).values[0] == pytest.approx(1)
    assert trace.sites(SAMPLE_LEAK) == [""]
    assert trace.sites(CENSUS_FIRED) == ["1"]  # the norm's output is what is rectified
    assert trace.series(CENSUS_SAMPLES).values[0] == 256
    assert trace.series(CENSUS_WHOLE).values[0] == 1
    (shares,) = trace.units(CENSUS_FIRED, "1").values
    assert ((shares > 0) & (shares < 1)).all()
    assert len(trace.series(LOSS).values) == trace.last_step + 1 == 120
    # the loop was ours: what yours does is not known
    assert not trace.has(GRAD_KEPT)
    outcomes = {c.name: c.outcome for c in diagnosis.checks}
    assert outcomes["gradients-not-zeroed"] == "blind"
    loop = next(e for e in diagnosis.exams if e.name == "loop")
    assert loop.outcome == "blind"


def test_a_loader_that_cannot_be_restarted_is_left_alone():
    model, loss_fn, optimizer, loader = parts()
    batches = iter(list(loader))
    diagnosis = reluctant.check(model, loss_fn, optimizer, batches)
    assert all(e.outcome == "blind" for e in diagnosis.exams)
    assert "one-shot iterator" in diagnosis.exams[0].text
    assert not diagnosis.findings
    assert not diagnosis.ruled_out  # which exits with 2
    assert len(list(batches)) == len(loader)


def test_a_data_set_that_is_an_iterator_is_left_alone():
    class Stream(torch.utils.data.IterableDataset):
        def __init__(self) -> None:
            self.left = 64

        def __iter__(self):
            return self

        def __next__(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return torch.randn(12), 1

    model, loss_fn, optimizer, _ = parts()
    loader = DataLoader(Stream(), 8)
    diagnosis = reluctant.check(model, loss_fn, optimizer, loader)
    assert "one-shot iterator (Stream)" in diagnosis.exams[0].text
    assert loader.dataset.left == 64


def test_workers_belong_to_the_original():
    model, loss_fn, optimizer, loader = parts()
    loader = DataLoader(
        loader.dataset, 32, num_workers=2, persistent_workers=True, timeout=30
    )
    diagnosis = reluctant.check(model, loss_fn, optimizer, loader, budget=3.0)
    assert diagnosis.exams[0].outcome == "measured"
    assert (loader.num_workers, loader.timeout, loader._iterator) == (2, 30, None)


def test_a_model_that_cannot_be_copied_still_has_data():
    model, loss_fn, optimizer, loader = parts()
    model.lock = threading.Lock()
    diagnosis = reluctant.check(model, loss_fn, optimizer, loader)
    data, *rest = diagnosis.exams
    assert data.outcome == "measured"
    assert "8 batches, 256 samples" in data.text
    assert all("cannot be forked" in e.text for e in rest)


def test_a_loss_that_holds_the_model_says_so():
    model, _, optimizer, loader = parts()

    def loss_fn(outputs, targets):
        return F.cross_entropy(outputs, targets) + model[0].weight.square().mean()

    diagnosis = reluctant.check(model, loss_fn, optimizer, loader)
    assert "closure" in diagnosis.exams[1].text


def test_what_the_users_code_raises_is_told():
    model, loss_fn, optimizer, loader = parts()
    model[0] = nn.Linear(13, 32)
    diagnosis = reluctant.check(model, loss_fn, optimizer, loader)
    exams = {e.name: e for e in diagnosis.exams}
    assert exams["data"].outcome == "measured"
    assert "shapes cannot be multiplied" in exams["first steps"].text
    assert exams["overfit"].outcome == "blind"


def test_no_batches_at_all():
    model, loss_fn, optimizer, _ = parts()
    diagnosis = reluctant.check(model, loss_fn, optimizer, [])
    assert "is empty" in diagnosis.exams[0].text
    assert {e.outcome for e in diagnosis.exams} == {"blind"}


def test_keeps_to_its_budget():
    model, loss_fn, optimizer, loader = parts()

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.05)
            return self.inner(x)

    began = time.perf_counter()
    diagnosis = reluctant.check(Slow(), loss_fn, optimizer, loader, budget=1.0)
    assert time.perf_counter() - began < 6
    blind = [e.text for e in diagnosis.exams if e.outcome == "blind"]
    assert any("budget of 1 s was spent" in text for text in blind)
    assert sum(e.seconds for e in diagnosis.exams) < 6


@pytest.mark.slow
def test_census_goes_over_everything_whatever_the_budget():
    model, loss_fn, optimizer, _ = parts()
    x, y = torch.randn(6000, 12), torch.randint(4, (6000,))
    with torch.no_grad():  # alive on a single sample, and dead
        model[1].bias[:2] = -1e4
        x[-1] = 0
    batches = list(zip(x.split(10), y.split(10), strict=True))
    training = Training(model, loss_fn, optimizer, batches)
    part = check_training(training, budget=0.05)
    assert "units" not in {e.name for e in part.exams if "all 6,000" in e.text}
    whole = check_training(training, budget=0.05, census=True)
    (units,) = (e for e in whole.exams if e.name == "units")
    assert "2 of 32 rectified units fire on none of all 6,000 samples" in units.text


@pytest.mark.slow
def test_lbfgs_is_stepped_as_a_copy():
    torch.manual_seed(0)
    x = torch.randn(64, 5)
    model = nn.Linear(5, 1)
    lbfgs = torch.optim.LBFGS(model.parameters(), lr=0.5)
    before = copy.deepcopy(model.state_dict())
    batches = [(x, x.sum(1, keepdim=True))]
    diagnosis = reluctant.check(model, F.mse_loss, lbfgs, batches, budget=60.0)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    exams = {e.name: e for e in diagnosis.exams}
    assert exams["first steps"].text.startswith("120 steps")
    assert exams["overfit"].outcome == "measured"


def test_misuse_is_told():
    model, loss_fn, optimizer, loader = parts()
    with pytest.raises(UsageError, match="order is"):
        reluctant.check(loss_fn, optimizer, model, loader)
    with pytest.raises(UsageError, match="budget is 0"):
        reluctant.check(model, loss_fn, optimizer, loader, budget=0)


def test_outputs_that_are_shares_are_seen_by_their_numbers(tmp_path):
    model, loss_fn, optimizer, loader = parts()
    for i, net in enumerate((model, nn.Sequential(model, nn.Softmax(1)))):
        record = tmp_path / f"{i}.trace"
        diagnosis = reluctant.check(
            net, loss_fn, optimizer, loader, record=record, budget=0.5
        )
        assert Trace.open(record).series(OUTPUT_SIMPLEX).values[0] == i
        assert ("shares of 1" in diagnosis.exams[1].text) == bool(i)
