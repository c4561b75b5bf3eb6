"""LOP501 missing-nonlinearity."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PREACT_RMS
from reluctant.rules._base import Blind, Rule

_LINEAR = ("linear", "conv", "conv1d", "conv2d", "conv3d")
_NORMS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
# nodes of a graph that are linear in what they are given, what a loss adds, and maxima
# over neighbors, which alone do not make a network
_STRAIGHT = frozenset({
    "AccumulateGrad", "Add", "Addmm", "Addmv", "AdaptiveAvgPool2D", "AsStrided",
    "AvgPool2D", "Baddbmm", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "Bmm",
    "Cat", "Clone", "Convolution", "CudnnBatchNorm", "Div", "Expand", "Gather",
    "HuberLoss", "Index", "L1Loss", "Linear", "LogSoftmax", "MaxPool2DWithIndices",
    "Mean", "MkldnnConvolution", "Mm", "MseLoss", "Mul", "Mv", "NativeBatchNorm",
    "NativeDropout", "Neg", "NllLoss", "NllLoss2D", "Permute", "Pow", "ReshapeAlias",
    "Rsub", "Select", "Slice", "SmoothL1Loss", "SqueezeBackward", "Squeeze", "Stack",
    "Sub", "Sum", "T", "ToCopy", "Transpose", "Unsqueeze", "UnsafeView", "View",
})  # fmt: skip
_BENDS = (
    "Attention", "Transformer", "LSTM", "GRU", "RNN", "MaxPool", "Softmax", "Embedding",
    "GLU", "Maxout", "Bilinear",
)  # fmt: skip


@dataclass(frozen=True)
class MissingNonlinearity(Rule):
    """Layers follow each other with nothing between them that bends.

    ## Why it stops training
    A product of matrices is a matrix: without an activation between them any number of
    layers can do no more than one. Such a network learns what is linear in its inputs,
    and stays there.

    ## How it is measured
    The layers as they ran and the activation seen behind each, norms looked through. A
    finding if no activation is seen anywhere between two and more layers with weights.

    ## Sick
    ```python
    model = mlp(activation=nn.Identity)
    ```

    ## Healthy
    ```python
    model = mlp(activation=nn.ReLU)
    ```

    ## Blind spots
    What bends without being an activation, such as a sine or a product of two parts,
    counts as bending too, but for a maximum over neighbors. One such
    operation anywhere is enough, also in the loss.

    ## Options
    - `layers`: How many layers with weights there must be.
    - `sure`: From so many on it is a warning. Two are a note: a linear autoencoder or a
      factorized matrix is meant so.

    ## References
    - [Saxe2014] Exact solutions to the nonlinear dynamics of learning in deep linear
      networks.
    """

    layers: int = 2
    sure: int = 3

    code = "LOP501"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, PREACT_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the network is linear."""
        setup = trace.setup
        if not setup.layers:
            raise Blind("the layers were never seen to run")
        if any(bend in module.type for module in setup.modules for bend in _BENDS):
            return
        known = all(layer.operation in (*_LINEAR, *_NORMS) for layer in setup.layers)
        weights = [layer for layer in setup.layers if layer.operation in _LINEAR]
        sites = {layer.site.partition("#")[0] for layer in weights}
        if not known or len(sites) < self.layers:
            return
        if set(setup.operations) - _STRAIGHT:
            return  # something bends that is no activation by name
        if any(layer.activation for layer in setup.layers if not layer.is_head):
            return
        if any(
            norm in ("layer_norm", "instance_norm", "rms_norm")
            for norm in (layer.operation for layer in setup.layers)
        ):
            return  # dividing by a sample's own scale bends
        heads = sum(layer.is_head for layer in weights)
        if heads == 0 or heads == len(weights):
            return
        severity = Severity.NOTE if len(sites) < self.sure else Severity.WARNING
        yield self.finding(
            f"{len(sites)} layers with weights follow each other (limit {self.layers}) "
            f"and no activation was seen between them: together they can do what one "
            f"can",
            evidence=tuple(
                Evidence(
                    quantity="activation",
                    site=layer.site,
                    step=0,
                    value=0.0,
                    limit=1.0,
                    note=f"{layer.operation}, nothing that bends behind it",
                )
                for layer in weights
                if not layer.is_head
            ),
            since_step=0,
            severity=severity,
            confidence=Confidence.MEDIUM,
        )
