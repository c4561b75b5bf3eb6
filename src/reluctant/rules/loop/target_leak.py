"""LOP402 target-leak."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    FUTURE_LEAK,
    NEXT_TARGETS,
    PLACE_GRADIENTS,
    SAME_TARGETS,
)
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class TargetLeak(Rule):
    """A forecaster is shown the very input that it is to forecast.

    ## Why it stops training
    Where the target at each place of a sequence is the input at the next, the output
    must not depend on that input. A causal mask that was forgotten, a recurrent layer
    that runs in both directions, or a convolution padded on both sides hands it over.
    The loss then falls to nearly nothing, for the network learns to copy, and not to
    forecast; what it generates, where there is no next input yet, is worth nothing. So
    it does where the targets were never shifted, and a network that reads a text from
    left to right is asked for the token that it has just read.

    ## How it is measured
    Two things are needed. The targets are the inputs one place further on, at nearly
    all places where the input changes. And the output at one place, as the loss
    received it, has a gradient by the input at the next place of its own sample. A mask
    leaves an exact zero. Only the graph of the user's own forward pass is asked, once,
    in the first sampled steps.

    Targets that were not shifted are the tokens at their own places, all of them where
    the next token differs; and the output at one place has a gradient by the token at
    that place and by earlier ones, and none by later ones. An autoencoder looks at the
    whole, a model of masked words, too, and neither counts words that it is shown; a
    network that shifts its inputs itself does not see the token of the same place.

    ## Sick
    ```python
    x = torch.sin(0.4 * torch.arange(33) + 6.3 * torch.rand(1024, 1, 1))
    x, y, loss = x[..., :-1], x[..., 1:], F.mse_loss
    layers = nn.Conv1d(1, 16, 3), nn.Tanh(), nn.Conv1d(16, 1, 1)
    model = nn.Sequential(nn.ConstantPad1d((1, 1), 0.0), *layers)
    ```

    ## Healthy
    ```python
    x = torch.sin(0.4 * torch.arange(33) + 6.3 * torch.rand(1024, 1, 1))
    x, y, loss = x[..., :-1], x[..., 1:], F.mse_loss
    layers = nn.Conv1d(1, 16, 3), nn.Tanh(), nn.Conv1d(16, 1, 1)
    model = nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), *layers)
    ```

    ## Blind spots
    A loss that does not show its targets, or takes each place by itself. Batch norm
    makes every place depend on all, so that only a leak well above it is told; a norm
    over all places of a sample is not looked behind. A network that reads the whole
    sequence on purpose, to pass it through one narrow vector, as an autoencoder does,
    and is taught the next input, looks the same where it has no recurrent layers.

    ## Options
    - `share`: Share of a gradient, by norm, that may fall on the next input. A causal
      network leaves 0; convolutions by a Fourier transform leave their rounding, 1e-6.
    - `targets`: Share of the targets that must be the next input, where it changes.
      Of a short text the mark at its end is none; other tasks agree in half at most.
    - `same`: Share of the targets that must be the token at the same place. One that is
      corrected, or was replaced by noise, is none.
    - `depends`: Share of a gradient from which on an output depends on a token.

    ## References
    - [Vaswani2017] Attention is all you need: why a decoder is masked.
    """

    share: float = 1e-5
    targets: float = 0.8
    same: float = 0.999
    depends: float = 1e-3

    code = "LOP402"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = ()

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if outputs depend on their own targets."""
        shifted = trace.series(NEXT_TARGETS).values
        if not len(shifted):
            raise Blind("targets and inputs could not be compared")
        if not shifted[-1] >= self.targets:
            yield from self._unshifted(trace)
            return
        values = {
            site: float(trace.series(FUTURE_LEAK, site).values[-1])
            for site in trace.sites(FUTURE_LEAK)
        }
        known = {site: value for site, value in values.items() if np.isfinite(value)}
        if not known:
            told = [n.text for n in trace.notes("blind") if n.site == "future"]
            raise Blind(told[-1] if told else "the graph of the outputs was not asked")
        site = max(known, key=known.__getitem__)
        leak = known[site]
        if leak <= self.share:
            return
        where = f" that {site} reads" if site else ""
        yield self.finding(
            f"the output at one place depends on the input at the next, which is its "
            f"target in {shifted[-1]:.0%}: {leak:.2g} of its gradient by the sequence"
            f"{where} falls there, and 0 in a causal network",
            evidence=(
                Evidence(
                    quantity=FUTURE_LEAK.name,
                    site=site,
                    step=0,
                    value=leak,
                    limit=self.share,
                    note="share by norm; a causal mask leaves 0",
                ),
                Evidence(
                    quantity=NEXT_TARGETS.name,
                    site=site,
                    step=0,
                    value=float(shifted[-1]),
                    limit=self.targets,
                    note="targets that are the input one place further on",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )

    def _unshifted(self, trace: Trace) -> Iterator[Finding]:
        """One finding if a network that cannot look ahead is to copy what it reads."""
        same = trace.series(SAME_TARGETS).values
        sites = trace.sites(PLACE_GRADIENTS)
        if not len(same) or not sites or not same[-1] >= self.same:
            return
        shares = trace.units(PLACE_GRADIENTS, sites[0]).values
        if shares.shape[1:] != (3,) or not np.isfinite(shares[-1]).all():
            return
        earlier, own, later = (float(share) for share in shares[-1])
        if later > self.share or min(earlier, own) < self.depends:
            return
        yield self.finding(
            f"the targets were not shifted: {same[-1]:.0%} of them are the token at "
            f"their own place, which the network is shown: {own:.0%} of the output's "
            f"gradient falls there, {earlier:.0%} on earlier tokens and none on later "
            f"ones, so that it learns to copy",
            evidence=(
                Evidence(
                    quantity=SAME_TARGETS.name,
                    site=sites[0],
                    step=0,
                    value=float(same[-1]),
                    limit=self.same,
                    note="targets that are the token at the same place",
                ),
                Evidence(
                    quantity=PLACE_GRADIENTS.name,
                    site=sites[0],
                    step=0,
                    value=own,
                    limit=self.depends,
                    note="share by norm at the same place; later places have none",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
