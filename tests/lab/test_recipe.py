"""A training can be started over, copied anywhere on its way, and named."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training, build, load_recipe
from reluctant.records import UsageError

torch.set_num_threads(1)


def make(seed: int, *, loader: str = "loader") -> Training:
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    x, y = torch.randn(22, 4), torch.randint(3, (22,))
    generator = torch.Generator().manual_seed(seed)
    data = TensorDataset(x, y)
    batches = {
        "loader": lambda: DataLoader(data, batch_size=4, shuffle=True),
        "own": lambda: DataLoader(data, 4, shuffle=True, generator=generator),
        "list": lambda: list(zip(x.split(4), y.split(4), strict=True)),
    }[loader]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Training(model, F.cross_entropy, optimizer, batches)


def weights(training: Training) -> bytes:
    return b"".join(v.numpy().tobytes() for v in training.model.state_dict().values())


def test_equal_seeds_give_equal_trainings_and_leave_the_caller_alone():
    before = torch.get_rng_state(), random.getstate()
    a, b, c = build(make, 1), build(make, 1), build(make, 2)
    assert a.step(9) == b.step(9) != c.step(9)
    assert weights(a) == weights(b) != weights(c)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


@pytest.mark.parametrize("loader", ["loader", "own", "list"])
@pytest.mark.parametrize("taken", [0, 1, 4, 6, 13])
def test_fork_goes_on_as_the_original_would(loader, taken):
    original = build(lambda seed: make(seed, loader=loader), 3)
    original.step(taken)
    before = weights(original)
    fork = original.fork()
    again = fork.fork()
    there = fork.step(15)  # over two ends of an epoch
    assert weights(original) == before
    torch.rand(5)  # the caller draws in between
    assert original.step(15) == there == again.step(15)
    assert weights(original) == weights(fork) == weights(again)
    assert original.steps == taken + 15


def test_copied_optimizer_owns_copied_parameters_and_the_data_are_shared():
    training = build(make, 0)
    fork = training.fork()
    owned = {id(p) for p in fork.optimizer.param_groups[0]["params"]}
    assert owned == {id(p) for p in fork.model.parameters()}
    assert fork.batches is not training.batches
    assert fork.batches.dataset is training.batches.dataset


def test_turns_do_not_disturb():
    alone = build(make, 5).step(6)
    a, b = build(make, 5), build(make, 6)
    taken = [(a.step()[0], b.step()[0])[0] for _ in range(6)]
    assert taken == alone


def test_lbfgs_and_inputs_by_name():
    class Two(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b)

    model = Two(2, 1)
    x = torch.ones(3, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5)
    batches = [((x, x), torch.ones(3, 1)), ({"a": x, "b": x}, torch.ones(3, 1))]
    losses = Training(model, F.mse_loss, optimizer, batches).step(4)
    assert losses[-1] < losses[0]


def parts() -> tuple[nn.Module, torch.optim.Optimizer, list[tuple[object, object]]]:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, optimizer, [(torch.ones(3, 2), torch.ones(3, 1))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "net"}, "str as model"),
        ({"loss_fn": 3}, "int as loss_fn"),
        ({"optimizer": None}, "NoneType as optimizer"),
        ({"batches": 7}, "int as batches"),
    ],
)
def test_wrong_parts(change, reason):
    model, optimizer, batches = parts()
    given = {"model": model, "loss_fn": F.mse_loss, "optimizer": optimizer}
    with pytest.raises(UsageError, match=reason):
        Training(**{**given, "batches": batches, **change})


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([], "is empty"),
        (iter([]), "one-shot"),
        ([torch.ones(3)], "a batch is a Tensor"),
        ([(1, 2, 3)], "tuple of 3"),
    ],
)
def test_wrong_batches(batches, reason):
    model, optimizer, _ = parts()
    with pytest.raises(UsageError, match=reason):
        Training(model, F.mse_loss, optimizer, batches).step()


def test_one_shot_batches_train_but_do_not_fork():
    model, optimizer, batches = parts()
    training = Training(model, F.mse_loss, optimizer, (b for b in batches))
    training.step()
    with pytest.raises(UsageError, match="one-shot iterator"):
        training.fork()
    with pytest.raises(UsageError, match="used up"):
        training.step()


def test_loss_that_is_no_scalar_or_holds_the_model():
    model, optimizer, batches = parts()
    with pytest.raises(UsageError, match=r"shape \(3, 1\)"):
        Training(model, lambda a, b: a - b, optimizer, batches).step()
    with pytest.raises(UsageError, match="float"):
        Training(model, lambda a, b: 1.0, optimizer, batches).step()
    penal = lambda a, b: F.mse_loss(a, b) + model.weight.norm()  # noqa: E731
    with pytest.raises(UsageError, match="closure"):
        Training(model, penal, optimizer, batches).fork()


def test_recipe_that_returns_something_else():
    with pytest.raises(UsageError, match="returned NoneType"):
        build(lambda seed: None, 0)


RECIPE = """
import torch
from beside import width
from reluctant.lab import Training

def make(seed):
    model = torch.nn.Linear(width, 1)
    return Training(model, torch.nn.functional.mse_loss,
                    torch.optim.SGD(model.parameters(), lr=0.1),
                    [(torch.ones(3, width), torch.ones(3, 1))])

def with_rate(seed, rate): ...
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.py").write_text(RECIPE)
    (tmp_path / "beside.py").write_text("width = 2")
    (tmp_path / "broken.py").write_text("1 / 0")
    return tmp_path


def test_load_from_file(folder):
    recipe = load_recipe(f"{folder}/recipe.py:make")
    assert len(build(recipe, 0).step(2)) == 2


def test_load_from_module():
    assert load_recipe("random:seed") is random.seed


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("recipe.py", "names no recipe"),
        ("{}/nowhere.py:make", "no file .*nowhere.py"),
        ("{}/recipe.py:mak", "recipe.py has no function 'mak'; it defines make"),
        ("{}/recipe.py:number", "number in .* is a int"),
        ("{}/recipe.py:with_rate", "cannot be called with a seed alone"),
        ("reluctant.nowhere:make", "no module reluctant.nowhere"),
    ],
)
def test_what_is_missing_is_named(folder, reference, reason):
    with pytest.raises(UsageError, match=reason):
        load_recipe(reference.format(folder))


def test_errors_of_the_file_itself_come_through(folder):
    with pytest.raises(ZeroDivisionError):
        load_recipe(f"{folder}/broken.py:make")


def test_numpy_randomness_is_the_trainings_own():
    class Noisy:
        def __iter__(self):
            for _ in range(3):
                noise = np.random.rand(3, 2)  # noqa: NPY002
                yield torch.tensor(noise, dtype=torch.float32), torch.ones(3, 1)

    def recipe(seed: int) -> Training:
        model, optimizer, _ = parts()
        return Training(model, F.mse_loss, optimizer, Noisy())

    a = build(recipe, 0)
    a.step(2)
    assert a.fork().step(5) == a.step(5)
