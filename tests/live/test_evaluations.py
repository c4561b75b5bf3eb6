"""In which mode a script evaluates, and which passes are no evaluation."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reluctant
from reluctant.live import run_script
from reluctant.live._run import RunResult
from reluctant.records import Severity, Trace, quantities

HEAD = """
import copy
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
y = torch.randint(4, (900,))
x = torch.randn(900, 20) + 2 * F.one_hot(y, 20)
test = x[640:]
"""
DROPOUT = """
body = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.2))
model = nn.Sequential(body, nn.Linear(32, 4))
"""
NORM = """
body = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU())
model = nn.Sequential(body, nn.Linear(32, 4))
"""
NO_DROPOUT = DROPOUT.replace("0.2", "0.0")
ATTENTION = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Linear(5, 16)
        self.attend = nn.MultiheadAttention(16, 2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        h = self.into(x.reshape(-1, 4, 5))
        return self.out(self.attend(h, h, h)[0].mean(1))

model = Net()
"""
RECURRENT = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 16, num_layers=2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        return self.out(self.lstm(x.reshape(-1, 4, 5))[0][:, -1])

model = Net()
"""
FROZEN = DROPOUT + "body.requires_grad_(False)\n"
LOOP = """
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
{before}
for epoch in range(5):
    for i in torch.randperm(640).split(32):
        {each}
        loss = F.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    {after}
{end}
"""


def lines(text: str, indent: int) -> str:
    return text.strip().replace("\n", "\n" + " " * indent) or "pass"


def told(
    tmp_path: Path,
    model: str = DROPOUT,
    *,
    before: str = "",
    each: str = "",
    after: str = "",
    end: str = "",
    loop: str = LOOP,
) -> tuple[Severity | None, RunResult]:
    script = tmp_path / "script.py"
    script.write_text(
        HEAD
        + model
        + loop.format(
            before=before,
            each=lines(each, 8),
            after=lines(after, 4),
            end=end,
        )
    )
    ways = torch.no_grad.__enter__, torch.inference_mode.__enter__
    result = run_script(str(script), [], runs=tmp_path / "runs", budget=1.0)
    assert result.exit_code == 0
    assert (torch.no_grad.__enter__, torch.inference_mode.__enter__) == ways
    found = {f.code: f for d in result.diagnoses for f in d.findings}
    blind = [n for d in result.diagnoses for n in d.notes if "went blind" in n]
    assert not blind
    return (found["LOP301"].severity if "LOP301" in found else None), result


QUIET = """
with torch.no_grad():
    right = (model(test).argmax(1) == y[640:]).float().mean()
"""
BATCHES = """
with torch.no_grad():
    for part in test.split(32):
        model(part).argmax(1)
"""
RIGHT = "model.eval()" + QUIET + "model.train()\n"


@pytest.mark.parametrize("model", [DROPOUT, NORM, ATTENTION, RECURRENT])
def test_no_loss_and_no_eval(tmp_path: Path, model: str) -> None:
    severity, result = told(tmp_path, model, after=QUIET)
    assert severity is Severity.WARNING
    (diagnosis,) = result.diagnoses
    (finding,) = [f for f in diagnosis.findings if f.code == "LOP301"]
    assert "in training mode in 5 evaluations" in finding.message
    (cure,) = [p for p in diagnosis.prescriptions if p.cures == "LOP301"]
    assert "model.eval()" in cure.patch


@pytest.mark.parametrize("model", [DROPOUT, NORM, ATTENTION, RECURRENT])
def test_no_loss_and_eval(tmp_path: Path, model: str) -> None:
    severity, result = told(tmp_path, model, after=RIGHT)
    assert severity is None
    (path,) = result.folder.glob("*.trace")
    shares = Trace.open(path).series(quantities.EVALUATION_TRAINING).values
    assert shares.tolist() == [0.0] * 5


SICK = {
    "once, in batches, at the end": {"end": BATCHES},
    "once, at the end, more than a batch": {"end": QUIET},
    "inference mode": {"after": QUIET.replace("no_grad", "inference_mode")},
    "as a function": {
        "before": "@torch.no_grad()\ndef right():\n    return model(test).argmax(1)\n",
        "after": "right()",
    },
    "switched off and on": {
        "after": "torch.set_grad_enabled(False)\n"
        "model(test).argmax(1)\n"
        "torch.set_grad_enabled(True)"
    },
    "after a pass to warm up": {
        "before": "with torch.no_grad():\n    model(x[:2])\n",
        "after": QUIET,
    },
    "a loss and what is right": {
        "after": "with torch.no_grad():\n"
        "    F.cross_entropy(model(test), y[640:])\n"
        "    model(test).argmax(1)"
    },
    "gradients are clipped": {
        "each": "nn.utils.clip_grad_norm_(model.parameters(), 100.0)",
        "after": QUIET,
    },
}


@pytest.mark.parametrize("name", SICK)
def test_evaluations_of_many_kinds(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, **SICK[name])[0] is Severity.WARNING  # type: ignore[arg-type]


GENERATOR = """
model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU())
model = nn.Sequential(model, nn.Linear(32, 20))
critic = nn.Sequential(nn.Linear(20, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
"""
ADVERSARIAL = """
made = torch.optim.Adam(model.parameters(), lr=1e-3)
judged = torch.optim.Adam(critic.parameters(), lr=1e-3)
for epoch in range(5):
    for i in torch.randperm(640).split(32):
        {each}
        real, no = torch.ones(len(i), 1), torch.zeros(len(i), 1)
        says = F.binary_cross_entropy_with_logits
        loss = says(critic(x[i]), real) + says(critic(fake.detach()), no)
        judged.zero_grad()
        loss.backward()
        judged.step()
        loss = says(critic(model(torch.randn(32, 8))), torch.ones(32, 1))
        made.zero_grad()
        loss.backward()
        made.step()
    with torch.no_grad():
        model(torch.randn(100, 8))
"""
HEALTHY = {
    "samples of a prediction": {
        "after": "with torch.no_grad():\n"
        "    torch.stack([model(test) for _ in range(20)]).std(0)"
    },
    "samples of a prediction, in rounds": {
        "after": "with torch.no_grad():\n"
        "    for _ in range(10):\n"
        "        [model(part + 0) for part in test.split(32)]"
    },
    "samples of a prediction, at the end": {
        "end": "model.eval()\nbody[2].train()\n"
        "with torch.no_grad():\n    [model(test) for _ in range(20)]\n"
    },
    "fakes with a graph": {
        "model": GENERATOR,
        "loop": ADVERSARIAL,
        "each": "fake = model(torch.randn(32, 8))",
    },
    "fakes without a graph": {
        "model": GENERATOR,
        "loop": ADVERSARIAL,
        "each": "with torch.no_grad():\n    fake = model(torch.randn(32, 8))",
    },
    "a copy that lags": {
        "before": "slow = copy.deepcopy(model)",
        "each": "with torch.no_grad():\n    slow(x[i])",
        "after": "with torch.no_grad():\n    slow(test)",
    },
    "two views that are to agree": {
        "each": "with torch.no_grad():\n    model(x[i] + 0.1).softmax(1)",
        "after": QUIET,
    },
    "moves, then steps": {
        "before": "def play():\n"
        "    with torch.no_grad():\n"
        "        for part in test.split(32):\n"
        "            model(part)\n"
        "play()\n",
        "after": "play()",
    },
    "what is right in the batch, now and then": {
        "after": "with torch.no_grad():\n    model(x[i]).argmax(1)"
    },
    "the last batch is short": {
        "loop": LOOP.replace("640", "650"),
        "after": "with torch.no_grad():\n    model(x[i]).argmax(1)",
    },
    "statistics anew": {
        "model": NORM,
        "end": "body[1].reset_running_stats()\n" + BATCHES,
    },
    "statistics anew, with an average": {
        "model": NORM,
        "end": "body[1].momentum = None\n" + BATCHES,
    },
    "statistics anew, of a copy": {
        "model": NORM,
        "before": "from torch.optim.swa_utils import AveragedModel, update_bn\n"
        "mean = AveragedModel(model)\n",
        "after": "mean.update_parameters(model)",
        "end": "update_bn(test.split(32), mean)\nmean.eval()\n"
        "with torch.no_grad():\n    mean(test)\n",
    },
    "a first pass": {
        "model": "model = nn.Sequential(nn.LazyLinear(32), nn.Dropout(0.2))\n"
        "model.append(nn.LazyLinear(4))\nmodel(x[:2])\n",
        "before": "with torch.no_grad():\n    model(x[:2])\n",
        "after": RIGHT,
    },
    "a frozen body": {"model": FROZEN, "after": QUIET},
    "nothing is dropped": {"model": NO_DROPOUT, "after": QUIET},
    "statistics of the training data, then eval": {
        "model": NORM,
        "after": BATCHES + RIGHT,
    },
    "a checkpointed segment": {
        "before": "from torch.utils.checkpoint import checkpoint\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body, self.head = body, model[1]\n"
        "    def forward(self, x):\n"
        "        h = checkpoint(self.body, x, use_reentrant=True)\n"
        "        return self.head(h)\n"
        "model = Net()\n"
        "x.requires_grad_()\n",
        "after": RIGHT,
    },
}


@pytest.mark.parametrize("name", HEALTHY)
def test_passes_that_are_meant(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, **HEALTHY[name])[0] is None


def test_is_no_headline_beside_what_is_worse(tmp_path: Path) -> None:
    """And explains nothing: that training goes wrong has another cause."""
    severity, result = told(
        tmp_path, after=QUIET, loop=LOOP.replace("lr=0.01", "lr=3.0")
    )
    assert severity is Severity.WARNING
    (diagnosis,) = result.diagnoses
    assert diagnosis.root is not None
    assert diagnosis.root.code != "LOP301"
    assert "LOP301" not in diagnosis.explained.values()


@pytest.mark.parametrize(("mode", "is_told"), [("train", True), ("eval", False)])
def test_losses_that_are_handed_over(mode: str, is_told: bool) -> None:
    """Two lines around a loop: of dropouts, too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2))
    model.append(nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.randn(300, 8)
    y = x[:, :1]
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for step in range(60):
            i = torch.randint(200, (32,))
            loss = run.loss(F.mse_loss(model(x[i]), y[i]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 20 == 19:
                getattr(model, mode)()
                with torch.no_grad():
                    run.loss(F.mse_loss(model(x[200:]), y[200:]))
                model.train()
    assert ("LOP301" in {f.code for f in run.diagnosis.findings}) == is_told


def test_a_script_does_what_it_would_do_alone(tmp_path: Path) -> None:
    """To the bit: weights, statistics, and the states of random numbers."""
    out = tmp_path / "state.pt"
    keep = f"torch.save([model.state_dict(), torch.get_rng_state()], {str(out)!r})\n"
    model = NORM.replace("nn.ReLU()", "nn.ReLU(), nn.Dropout(0.2)")
    told(tmp_path, model, after=QUIET + BATCHES, end=BATCHES + keep)
    seen = torch.load(out)
    exec(compile((tmp_path / "script.py").read_text(), "script", "exec"), {})
    alone = torch.load(out)
    assert seen[1].equal(alone[1])
    assert all(seen[0][k].equal(alone[0][k]) for k in alone[0])


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch.jit is on its way out")
def test_functions_without_gradients_can_still_be_scripted(tmp_path: Path) -> None:
    script = tmp_path / "scripted.py"
    script.write_text(
        "import warnings\n"
        "import torch\n"
        "from torch import Tensor\n"
        "warnings.simplefilter('ignore')\n"
        "def twice(a: Tensor) -> Tensor:\n"
        "    with torch.no_grad():\n"
        "        return 2 * a\n"
        "assert torch.jit.script(twice)(torch.ones(2)).sum() == 4\n"
    )
    assert run_script(str(script), [], runs=tmp_path / "runs").exit_code == 0
