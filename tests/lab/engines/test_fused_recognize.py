"""Which torch trainings the fused engine takes, and what it says of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reluctant.lab import engines
from reluctant.lab.engines import SGD, Adam, UnsupportedError, recognize


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Sequential(nn.Linear(5, 3))
    )


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def test_reads_the_whole_spec() -> None:
    model = nn.Sequential(
        nn.Linear(4, 5),
        nn.LeakyReLU(0.2),
        nn.Linear(5, 6),
        nn.Tanh(),
        nn.Linear(6, 3),
        nn.Softmax(dim=1),
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.3
    )
    spec, rate = recognize(
        model, nn.MSELoss(reduction="sum"), optimizer, batch_size=7, drop_last=True
    )
    assert rate == 0.01
    assert spec == engines.MLPSpec(
        (4, 5, 6, 3),
        ("leaky_relu", "tanh"),
        "softmax",
        "mse",
        "sum",
        Adam(0.8, 0.99, 1e-6, 0.3, True),
        7,
        True,
        0.2,
    )


def test_tells_adam_from_adamw_and_functions_from_modules() -> None:
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    spec, _ = recognize(model, F.cross_entropy, optimizer)
    assert spec.optimizer == Adam(weight_decay=0.1)
    assert (spec.loss, spec.reduction) == ("cross_entropy", "mean")
    spec, _ = recognize(model, F.mse_loss, sgd(model, momentum=0.9, nesterov=True))
    assert spec.optimizer == SGD(momentum=0.9, nesterov=True)
    assert spec.loss == "mse"


def test_recognized_training_is_torchs_own() -> None:
    torch_model = plain().double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 2, 2, generator=generator, dtype=torch.float64)
    t = torch.arange(12) % 3
    optimizer = sgd(torch_model, momentum=0.5)
    spec, rate = recognize(torch_model, nn.CrossEntropyLoss(), optimizer, batch_size=4)
    (run,) = engines.train_many(
        spec,
        [engines.parameters_of(torch_model)],
        engines.Dataset(x.reshape(12, 4).numpy(), t.numpy()),
        learning_rates=[rate],
        steps=30,
        orders=lambda _, __: np.arange(12),
        dtype=np.float64,
    )
    for step in range(30):
        begin = step % 3 * 4
        loss = F.cross_entropy(torch_model(x[begin : begin + 4]), t[begin : begin + 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = engines.parameters_of(torch_model)
    for ours, theirs in zip(run.parameters, after, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13)


def refusals() -> list[tuple[str, Any]]:
    def model_with(*modules: nn.Module) -> Any:
        return lambda: (nn.Sequential(*modules), nn.MSELoss(), None)

    def hooked() -> Any:
        model = plain()
        model[1].register_forward_hook(lambda *_: None)
        return model, nn.MSELoss(), None

    def half_owned() -> Any:
        model = plain()
        return model, nn.MSELoss(), sgd(model[1])

    def begun() -> Any:
        model = plain()
        optimizer = sgd(model, momentum=0.9)
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        return model, nn.MSELoss(), optimizer

    def with_optimizer(make: Any) -> Any:
        def build() -> Any:
            model = plain()
            return model, nn.MSELoss(), make(model)

        return build

    line = nn.Linear(4, 4)
    return [
        (
            "layer 2 is BatchNorm1d",
            model_with(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)),
        ),
        ("layer 1 is Dropout", model_with(nn.Linear(4, 3), nn.Dropout(0.1))),
        ("layer 1 is GELU", model_with(nn.Linear(4, 3), nn.GELU())),
        ("before the first Linear", model_with(nn.ReLU(), nn.Linear(4, 3))),
        ("second activation", model_with(nn.Linear(4, 3), nn.ReLU(), nn.Tanh())),
        ("shares its weight", model_with(line, nn.ReLU(), line)),
        ("have a bias and some", model_with(line, nn.Linear(4, 3, bias=False))),
        ("takes 5 inputs, but gets 4", model_with(line, nn.Linear(5, 3))),
        ("no Linear layer", model_with(nn.Flatten())),
        ("hidden layer", model_with(line, nn.Softmax(-1), nn.Linear(4, 2))),
        ("not an nn.Sequential", lambda: (nn.Linear(3, 2), nn.MSELoss(), None)),
        ("has hooks", hooked),
        ("does not own", half_owned),
        ("has done steps", begun),
        ("is L1Loss", lambda: (plain(), nn.L1Loss(), None)),
        ("is l1_loss", lambda: (plain(), F.l1_loss, None)),
        (
            "label smoothing",
            lambda: (plain(), nn.CrossEntropyLoss(label_smoothing=0.1), None),
        ),
        ("reduction='none'", lambda: (plain(), nn.MSELoss(reduction="none"), None)),
        (
            "is RMSprop",
            with_optimizer(lambda m: torch.optim.RMSprop(m.parameters())),
        ),
        (
            "amsgrad",
            with_optimizer(lambda m: torch.optim.Adam(m.parameters(), amsgrad=True)),
        ),
        ("dampening", with_optimizer(lambda m: sgd(m, momentum=0.9, dampening=0.1))),
        ("maximize", with_optimizer(lambda m: sgd(m, maximize=True))),
        (
            "2 groups",
            with_optimizer(
                lambda m: torch.optim.SGD(
                    [{"params": m[1].parameters()}, {"params": m[3].parameters()}], 0.1
                )
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("reason", "build"), refusals(), ids=[reason for reason, _ in refusals()]
)
def test_says_why_it_cannot_take_a_training(reason: str, build: Any) -> None:
    model, loss_fn, optimizer = build()
    parameters = list(model.parameters())
    if optimizer is None:
        optimizer = torch.optim.SGD(parameters or [torch.zeros(1)], lr=0.1)
    with pytest.raises(UnsupportedError, match=reason) as caught:
        recognize(model, loss_fn, optimizer)
    assert str(caught.value).endswith("use the torch engine.")
