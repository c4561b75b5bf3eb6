"""GRD301 no-gradient."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Note, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class NoGradient(Rule):
    """The loss does not depend on parameters that the optimizer is to train.

    ## Why it stops training
    Between these parameters and the loss the graph is cut: by `detach`, by `.data`, by
    a tensor made anew from numbers, by a comparison or a rounding, or because the layer
    is never called. Their gradient is not small, there is none.

    ## How it is measured
    A walk along the graph of the first losses to every parameter that it reaches.
    Parameters that it does not reach, that require a gradient, that an optimizer owns
    and that never got one later either. Where their layer was seen to run, the cut lies
    behind it. And a loss without any graph, which is a number that was made to require
    a gradient.

    ## Sick
    ```python
    model.insert(2, type("Cut", (nn.Module,), {"forward": lambda s, x: x.detach()})())
    ```

    ## Healthy
    ```python
    model.insert(2, type("Cut", (nn.Module,), {"forward": lambda s, x: x.clone()})())
    ```

    ## Blind spots
    A layer that is used from some later step on counts as unused before.

    ## Options
    - `share`: Share of the trained parameters' entries from which on it is a finding;
      below that, a note, as of a layer that was left over.
    - `skill`: The same for whatever share, where a network has learnt nothing in
      `long` steps: what says where, such as a positional embedding, is small.
    - `long`: See there.
    - `min_steps`: How many steps must have passed.

    ## References
    - [PyTorchModule] torch.nn.Module: parameters.
    """

    share: float = 0.02
    skill: float = 0.02
    long: int = 200
    min_steps: int = 3

    code = "GRD301"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all parameters that no gradient reaches."""
        setup = trace.setup
        for cut_off in trace.notes("detached")[:1]:
            yield self._detached(cut_off)
            return
        if setup.loss is None:
            raise Blind("no loss was seen with its graph")
        if len(trace.series(LOSS).steps) < self.min_steps:
            raise Blind(f"fewer than {self.min_steps} steps were seen")
        cut = [
            p
            for p in setup.parameters
            if p.name in setup.unreached
            and p.requires_grad
            and p.group is not None
            and not (np.nan_to_num(trace.series(GRAD_RMS, p.name).values) > 0).any()
        ]
        if not cut:
            return
        trained = [p for p in setup.parameters if p.requires_grad]
        entries = sum(prod(p.shape) for p in cut)
        share = entries / max(1, sum(prod(p.shape) for p in trained))
        ran = {name for layer in setup.layers for name in (layer.weight, layer.bias)}
        is_cut = any(p.name in ran for p in cut)
        why = (
            "their layers run, so the graph is cut behind them"
            if is_cut
            else "their layers were never seen to run"
        )
        others = f" and {len(cut) - 1} more" if len(cut) > 1 else ""
        severity = Severity.ERROR if is_cut else Severity.WARNING
        is_missed = share < self.share and self._is_missed(trace)
        if is_missed:
            why += "; and nothing was learnt"
        yield self.finding(
            f"the loss does not depend on {cut[0].name}{others} ({entries:,} entries, "
            f"{share:.1%} of what is to be trained, limit {self.share:.0%}): {why}",
            evidence=tuple(
                Evidence(
                    quantity=GRAD_RMS.name,
                    site=p.name,
                    step=trace.last_step,
                    value=0.0,
                    limit=0.0,
                    note="not on the graph of the loss",
                )
                for p in cut
            ),
            since_step=0,
            severity=(severity if share >= self.share or is_missed else Severity.NOTE),
            confidence=Confidence.HIGH if is_cut else Confidence.MEDIUM,
        )

    def _is_missed(self, trace: Trace) -> bool:
        """Whether a network that was given the time has learnt nothing."""
        part = sound(trace)
        learnt = skill(part)
        is_long = part.last_step + 1 >= self.long
        return is_long and learnt.is_exact and learnt.is_none(self.skill)

    def _detached(self, note: Note) -> Finding:
        """A loss that was made anew."""
        return self.finding(
            "the loss has no graph, so it depends on no parameter: it was made of "
            "numbers, as by item(), argmax(), numpy or torch.tensor(), or under "
            "no_grad",
            evidence=(
                Evidence(
                    quantity="graph",
                    site="",
                    step=note.step,
                    value=0.0,
                    limit=1.0,
                    note="a leaf that requires a gradient",
                ),
            ),
            since_step=note.step,
        )
