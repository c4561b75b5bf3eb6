"""LOP403 inverted-padding-mask."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import ATTENDED_NUMBERS, LEFT_OUT_NUMBERS, LOSS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class InvertedPaddingMask(Rule):
    """A key padding mask hides the text and shows the padding.

    ## Why it stops training
    `key_padding_mask` is True where a place is to be left out. Many other libraries
    say it the other way round, 1 for what counts. Handed over as it is, such a mask
    leaves attention with nothing but padding: what it brings to each place is the same
    whatever the text is. A row without padding has nothing left to attend to, and is
    nan.

    ## How it is measured
    Padding is one number, and text is many. In the first sampled steps the mask that
    an attention receives is compared with whole numbers of the same shape that the
    model, or its embedding, reads. It must look like a mask for padding: each row is
    cut once, and rows differ in length. Inverted is a mask under which all places that
    are shown hold one and the same number, and those that are hidden hold many.

    ## Sick
    ```python
    short = torch.arange(12) < torch.randint(4, 12, (1024, 1))
    x = torch.randint(1, 20, (1024, 12)) * short
    y, pool = x[:, 0] % 4, lambda h: h[:, 0]
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(20, 16), nn.Linear(16, 4)
            self.body = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        def forward(self, x):
            h = self.body(self.embed(x), src_key_padding_mask=(x != 0))
            return self.head(pool(h))
    model = Net()
    ```

    ## Healthy
    ```python
    short = torch.arange(12) < torch.randint(4, 12, (1024, 1))
    x = torch.randint(1, 20, (1024, 12)) * short
    y, pool = x[:, 0] % 4, lambda h: h[:, 0]
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(20, 16), nn.Linear(16, 4)
            self.body = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        def forward(self, x):
            h = self.body(self.embed(x), src_key_padding_mask=(x == 0))
            return self.head(pool(h))
    model = Net()
    ```

    ## Blind spots
    Attention that is not torch's own, inputs that are no whole numbers, batches of one
    length, and vocabularies of fewer than four tokens.

    ## Options
    - `hidden`: Different numbers that are hidden, at least. A mask that is right hides
      one; an alphabet of bases has four.

    ## References
    - [PyTorchMultiheadAttention] torch.nn.MultiheadAttention: what True means.
    """

    hidden: int = 4

    code = "LOP403"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)  # a network without such a mask is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if all that is attended to is one number."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        steps, shown = trace.series(ATTENDED_NUMBERS)
        hidden = trace.series(LEFT_OUT_NUMBERS).values
        if not len(shown) or len(shown) != len(hidden):
            return
        if not (np.all(shown == 1) and np.all(hidden >= self.hidden)):
            return
        most = int(min(hidden.max(), 1e9))
        yield self.finding(
            f"the key padding mask is inverted: all places that it leaves to attention "
            f"hold one and the same number, the padding, and those that it hides hold "
            f"{most} different ones",
            evidence=(
                Evidence(
                    quantity=LEFT_OUT_NUMBERS.name,
                    site="",
                    step=int(steps[0]),
                    value=float(hidden.min()),
                    limit=float(self.hidden),
                    note="different numbers at hidden places; padding is one",
                ),
                Evidence(
                    quantity=ATTENDED_NUMBERS.name,
                    site="",
                    step=int(steps[0]),
                    value=1.0,
                    limit=1.0,
                    note="different numbers at the places attended to",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
