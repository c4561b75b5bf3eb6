"""DAT402 reshaped-image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import IMAGE_ECHOES, LOSS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class ReshapedImage(Rule):
    """Images were reshaped to channels first where their axes should be permuted.

    ## Why it stops training
    Files and cameras give height, width, channels; convolutions want the channels
    first. `x.reshape(n, 3, h, w)` gives the shape that is asked for and leaves the
    numbers where they were: red, green and blue of one pixel stand side by side as if
    they were three pixels, and each channel holds a third of the image. No error is
    raised, and a network may still learn something, but nothing that looks like the
    image is left to convolve.

    ## How it is measured
    On what the first convolution reads. The step from one number of a row to the next
    is compared with the step so many places further on as there are channels. From red
    to green it is much the same at the next pixel, and the steps in between are opposed
    to it. The same must hold down the columns: rows of the image come so many rows
    apart. In photographs that are laid out rightly the steps of a row say next to
    nothing of those three further on, and rows that touch are the most alike.

    ## Sick
    ```python
    x = F.interpolate(torch.randn(1024, 3, 4, 4), (16, 16), mode="bilinear")
    y, x = x[:, :2].mean((2, 3)).gt(0).long() @ torch.tensor([1, 2]), x.movedim(1, 3)
    x = x.reshape(-1, 3, 16, 16)
    layers = nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AvgPool2d(14), nn.Flatten()
    model = nn.Sequential(*layers, nn.Linear(16, 4))
    ```

    ## Healthy
    ```python
    x = F.interpolate(torch.randn(1024, 3, 4, 4), (16, 16), mode="bilinear")
    y, x = x[:, :2].mean((2, 3)).gt(0).long() @ torch.tensor([1, 2]), x.movedim(1, 3)
    x = x.permute(0, 3, 1, 2)
    layers = nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AvgPool2d(14), nn.Flatten()
    model = nn.Sequential(*layers, nn.Linear(16, 4))
    ```

    ## Blind spots
    Gray images, whose channels are the same, and noise. Networks without a convolution,
    for which the order of the numbers does not matter. Images below 12 pixels a side,
    of one channel, or of more than four.

    ## Options
    - `echo`: Correlation from which on a step comes again, in rows and columns.
      Reshaped photographs: 0.5 to 0.99; rightly laid out: -0.2 to 0.1 in rows.
    - `between`: Correlation that steps in between may have. Reshaped: -0.5 to -0.2.
    - `margin`: By how much rows so far apart must be more alike than nearer ones.
      Reshaped: 0.1 to 0.9; rightly laid out: -0.6 to -0.3.

    ## References
    - [PyTorchConv2d] torch.nn.Conv2d: the channels come before height and width.
    """

    echo: float = 0.4
    between: float = 0.0
    margin: float = 0.05

    code = "DAT402"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)  # what reads no images is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if rows hold the channels side by side."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        seen = trace.units(IMAGE_ECHOES, "")
        if seen.values.ndim != 2 or seen.values.shape[1:] != (4,):
            return
        known = seen.values[np.isfinite(seen.values).all(axis=1)]
        if not len(known):
            return
        across, between, down, near = (float(v) for v in np.median(known, axis=0))
        if (
            across < self.echo
            or between > self.between
            or down < self.echo
            or down < near + self.margin
        ):
            return
        yield self.finding(
            f"the numbers of one pixel stand side by side in the rows that the first "
            f"convolution reads: the images were reshaped, not permuted, from height, "
            f"width, channels (a row's steps come again at the next pixel with "
            f"correlation {across:.2f}, those between with {between:.2f})",
            evidence=(
                Evidence(
                    quantity=IMAGE_ECHOES.name,
                    site="",
                    step=int(seen.steps[0]),
                    value=across,
                    limit=self.echo,
                    note="in a row, as far apart as there are channels",
                ),
                Evidence(
                    quantity=IMAGE_ECHOES.name,
                    site="",
                    step=int(seen.steps[0]),
                    value=down,
                    limit=max(self.echo, near + self.margin),
                    note="in a column, so far apart; the limit is what nearer rows are",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
