"""LOP401 leak-across-batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import DATA_BATCHES, SAMPLE_LEAK
from reluctant.rules._base import Blind, Rule
from reluctant.rules._batches import is_full_batch

_UNSEEN = "what a training shows does not tell; `reluctant check` measures it"


@dataclass(frozen=True)
class LeakAcrossBatch(Rule):
    """The output for one sample depends on the other samples of its batch.

    ## Why it stops training
    Samples are separate questions. A softmax over the wrong axis, a reshape that swaps
    samples with time or channels, a mean over the first axis, a recurrent layer that
    takes samples for time steps: each mixes them. The loss may fall all the same, for
    the network learns from what stands beside a sample, and answers differently for
    every batch it is put into.

    ## How it is measured
    `reluctant check` differentiates the output of single samples by the inputs of the
    whole batch, in evaluation mode. Independent samples leave an exact zero. Batch
    statistics in training mode are a leak by design and do not count; a norm that goes
    on using them in evaluation mode is a note. Which axis holds the samples is found
    out, not assumed. A watched training is not run again: the output of a sample in
    the middle is differentiated by what the first layer made of all samples, and must
    depend on samples before and behind it; and a recurrent layer must not have run
    along the axis that the outputs follow, nor have read the model's inputs in the same
    order of memory under swapped axes.

    ## Sick
    ```python
    model.append(nn.Softmax(dim=0))
    ```

    ## Healthy
    ```python
    model.append(nn.Softplus())
    ```

    ## Blind spots
    A mix without a gradient, such as sorting by the batch's largest value. Samples that
    belong together on purpose, as the nodes of one graph do, look the same: where all
    data are one batch it is a note. A watched training shows nothing of what happens
    before its first layer, of networks with batch norm, or with several inputs.

    ## Options
    - `share`: Share of a gradient, by norm, that may fall on other samples. Independent
      samples leave 0; rounding is no source of it.

    ## References
    - [BenBraiek2022] Testing feedforward neural networks training programs.
    """

    share: float = 1e-3

    code = "LOP401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = ()

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if samples are mixed."""
        for ran in trace.notes("sample-axis")[:1]:
            yield self.finding(
                ran.text,
                evidence=(
                    Evidence(
                        quantity="batch_first",
                        site=ran.site,
                        step=ran.step,
                        value=0.0,
                        limit=1.0,
                        note="samples lie along another axis than it reads them",
                    ),
                ),
                since_step=0,
            )
            return
        sites = trace.sites(SAMPLE_LEAK)
        if not sites:
            told = [n for n in trace.notes("exam-blind") if n.site == "samples"]
            raise Blind(told[-1].text if told else _UNSEEN)
        values = {s: float(trace.series(SAMPLE_LEAK, s).values[-1]) for s in sites}
        known = {s: v for s, v in values.items() if np.isfinite(v)}
        if not known:
            raise Blind("the gradients by single samples are no numbers")
        site = max(known, key=known.__getitem__)
        leak = known[site]
        if leak <= self.share:
            return
        kind = next((m.type for m in trace.setup.modules if m.name == site), "")
        is_checked = bool(trace.series(DATA_BATCHES).values.size)
        why = ""
        if is_checked and "Norm" in kind:
            why = "; it uses the statistics of the batch in evaluation mode, too"
        elif is_full_batch(trace):
            why = "; all data are one batch, whose samples may belong together"
        mode = "in evaluation mode " if is_checked else ""
        where = ", first in" if is_checked else " behind"
        where = f"{where} {site} ({kind})" if site else ""
        yield self.finding(
            f"{mode}{leak:.1%} of the gradient of a sample's output falls on other "
            f"samples of the batch (limit {self.share:.1%}){where}{why}",
            evidence=(
                Evidence(
                    quantity=SAMPLE_LEAK.name,
                    site=site,
                    step=0,
                    value=leak,
                    limit=self.share,
                    note="share by norm; independent samples leave 0",
                ),
            ),
            since_step=0,
            severity=Severity.NOTE if why else self.severity,
            confidence=Confidence.HIGH if is_checked else Confidence.MEDIUM,
        )
