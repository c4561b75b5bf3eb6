"""LOP404 no-positions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PLACES_ALIKE
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class NoPositions(Rule):
    """Attention is not told where in the text a token stands, and nothing is learnt.

    ## Why it stops training
    Attention weighs what it reads as a set. Without positions, or a causal mask, each
    order of the same tokens gives the same outputs, in another order; and their mean
    is the same. Where the answer lies in the order there is nothing to learn.

    ## How it is measured
    In the first sampled steps, what the first self-attention reads at places of one
    text that hold the same token. It is the same number for number only if nothing was
    added that tells the places apart. A bag of words is enough for many a task, so this
    is a finding only where nothing is learnt.

    ## Sick
    ```python
    x = torch.rand(1024, 8).argsort(1) % 4
    y = x[:, 0]
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(4, 32), nn.Linear(32, 4)
            self.places = nn.Parameter(torch.randn(8, 32))
            self.body = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        def forward(self, x):
            h = self.body(self.embed(x) + 0 * self.places)
            return self.head(h.mean(1))
    model, lr = Net(), 3e-3
    optimizer = lambda p, lr: torch.optim.Adam(p, lr)
    ```

    ## Healthy
    ```python
    x = torch.rand(1024, 8).argsort(1) % 4
    y = x[:, 0]
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(4, 32), nn.Linear(32, 4)
            self.places = nn.Parameter(torch.randn(8, 32))
            self.body = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        def forward(self, x):
            h = self.body(self.embed(x) + 1 * self.places)
            return self.head(h.mean(1))
    model, lr = Net(), 3e-3
    optimizer = lambda p, lr: torch.optim.Adam(p, lr)
    ```

    ## Blind spots
    Attention that is not torch's own, and inputs that are no whole numbers. Texts that
    never repeat a token. A network that learns what the order does not decide.

    ## Options
    - `alike`: Share of pairs of places with the same token at which the same is read.
    - `skill`: What counts as nothing learnt.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Vaswani2017] Attention is all you need, section 3.5: positional encoding.
    """

    alike: float = 0.99
    skill: float = 0.02
    min_steps: int = 100

    code = "LOP404"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)  # a network without attention is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if places are alike and nothing is learnt."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        steps, shares = trace.series(PLACES_ALIKE)
        if not len(shares) or not np.all(shares >= self.alike):
            return
        part = sound(trace)
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not learnt.is_exact or not learnt.is_none(self.skill):
            return
        yield self.finding(
            f"attention reads the same at {shares.min():.0%} of the places of a text "
            f"that hold the same token (limit {self.alike:.0%}), so nothing tells it "
            f"the order; and nothing was learnt in {part.last_step + 1:,} steps (skill "
            f"{learnt.value:.3f}, limit {self.skill:g})",
            evidence=(
                Evidence(
                    quantity=PLACES_ALIKE.name,
                    site="",
                    step=int(steps[0]),
                    value=float(shares.min()),
                    limit=self.alike,
                    note="positions, once they are added, make it 0",
                ),
                Evidence(
                    quantity="skill",
                    site="",
                    step=part.last_step,
                    value=learnt.value,
                    limit=self.skill,
                    note=f"standard error {learnt.error:.2g}",
                ),
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )
