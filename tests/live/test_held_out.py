"""What a script evaluates without gradients is seen, and judged."""

import sys
from pathlib import Path

import pytest
import torch.nn.functional as F

from reluctant.live import run_script
from reluctant.live._run import RunResult
from reluctant.records import Finding, Severity, Trace, quantities

SCRIPT = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
labels = torch.randint(4, (600,))
x = {noise} * torch.randn(600, 20) + 2 * F.one_hot(labels, 20)
y = labels if {carries} else torch.randint(4, (600,))
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 4))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

def evaluate(x, y):
    model.eval()
    with torch.no_grad():
        total = sum(criterion(model(a), b) for a, b in zip(x.split(50), y.split(50)))
    model.train()
    return total

for epoch in range({epochs}):
    for i in torch.randperm({train}).split(32):
        loss = F.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    evaluate(x[:{train}], y[:{train}])
    evaluate(x[300:], y[300:])
"""


def run(tmp_path: Path, **options: object) -> tuple[RunResult, list[Finding]]:
    known = {"noise": 1.0, "carries": True, "epochs": 12, "train": 300} | options
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**known))
    own = F.cross_entropy
    result = run_script(str(script), [], runs=tmp_path / "runs", budget=1.0)
    assert F.cross_entropy is own
    assert result.exit_code == 0
    (diagnosis,) = result.diagnoses
    return result, list(diagnosis.findings)


def of(findings: list[Finding], code: str) -> Severity | None:
    return next((f.severity for f in findings if f.code == code), None)


def test_each_evaluation_is_a_series(tmp_path: Path) -> None:
    result, findings = run(tmp_path, noise=0.3)
    (path,) = result.folder.glob("*.trace")
    trace = Trace.open(path)
    sites = trace.sites(quantities.HELD_OUT_LOSS)
    assert sites == ["script.py:17", "script.py:17 #2"]  # two calls of one function
    values = trace.series(quantities.HELD_OUT_LOSS, sites[1]).values
    assert len(values) == 12
    assert values[-1] < 0.2 * values[0]
    assert of(findings, "FIT401") is None
    assert of(findings, "DAT302") is None


def test_overfit(tmp_path: Path) -> None:
    _, findings = run(tmp_path, noise=3.0, epochs=30, train=200)
    assert of(findings, "FIT401") is Severity.WARNING


def test_labels_that_follow_from_nothing(tmp_path: Path) -> None:
    """Learnt by heart, and true of nothing else: the labels, before the overfitting."""
    _, findings = run(tmp_path, carries=False, epochs=30)
    assert findings[0].code == "DAT302"
    assert findings[0].severity is Severity.WARNING
    assert "never below" in findings[0].message


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch.jit is on its way out")
def test_loss_functions_can_still_be_scripted(tmp_path: Path) -> None:
    script = tmp_path / "scripted.py"
    script.write_text(
        "import warnings\n"
        "import torch\n"
        "import torch.nn.functional as F\n"
        "from torch import Tensor\n"
        "warnings.simplefilter('ignore')\n"
        "def loss(a: Tensor, b: Tensor) -> Tensor:\n"
        "    return F.mse_loss(a, b)\n"
        "print(torch.jit.script(loss)(torch.ones(2), torch.zeros(2)))\n"
    )
    assert run_script(str(script), [], runs=tmp_path / "runs").exit_code == 0


MODES = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
y = torch.randint(4, (600,))
x = torch.randn(600, 20) + 2 * F.one_hot(y, 20)
hidden = (nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
model = nn.Sequential(*hidden, nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(4):
    for i in torch.randperm(400).split(32):
        loss = F.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    {eval}
    with torch.no_grad():
        F.cross_entropy(model(x[400:]), y[400:])
    model.train()
"""


@pytest.mark.parametrize(("line", "is_told"), [("pass", True), ("model.eval()", False)])
def test_an_evaluation_in_training_mode(
    tmp_path: Path, line: str, is_told: bool
) -> None:
    script = tmp_path / "script.py"
    script.write_text(MODES.format(eval=line))
    result = run_script(str(script), [], runs=tmp_path / "runs", budget=1.0)
    (diagnosis,) = result.diagnoses
    assert (of(list(diagnosis.findings), "LOP301") is Severity.WARNING) == is_told
