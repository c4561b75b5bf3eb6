"""What was being trained: the part of a recorded run that does not change by step."""

import msgspec


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """One module of the network.

    Attributes:
        name: Dotted name as in `model.named_modules()`; `""` is the model itself.
        type: Class name.
        parameters: Dotted names of the parameters that it owns itself.
        training: Whether it was in training mode when it was first seen.
        dropout: Share of entries that it drops, where it is a dropout layer.
    """

    name: str
    type: str
    parameters: tuple[str, ...] = ()
    training: bool = True
    dropout: float = 0.0


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter, under the first name that torch gives it.

    Attributes:
        name: Dotted name as in `model.named_parameters()`.
        shape: As torch prints it.
        dtype: Such as `"float32"`.
        requires_grad: False for a frozen parameter.
        group: Index into `Setup.groups`, or None where no optimizer owns it.
        rms: Root mean square of its entries when it was first seen.
        std: Standard deviation of its entries when it was first seen.
        rows_apart: RMS distance of its rows (units of the layer) from their mean; 0
            where all are alike, None where it has no rows.
        columns_apart: The same of its columns, what each unit of the layer below sends.
        aliases: Further names of the same tensor (tied weights).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    requires_grad: bool = True
    group: int | None = 0
    rms: float = 0.0
    std: float = 0.0
    rows_apart: float | None = None
    columns_apart: float | None = None
    aliases: tuple[str, ...] = ()


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer as it runs: an operation with weights, and the activation behind it.

    Layers are listed in the order in which the forward pass reaches them, so the
    position in `Setup.layers` is the depth.

    Attributes:
        site: The module that owns the operation's parameters, as torch names it. Where
            one module runs several times, later runs get `#2`, `#3`.
        operation: Such as `"linear"`, `"conv2d"`, `"batch_norm"`, `"layer_norm"`.
        activation: Such as `"relu"`, `"gelu"`, `"sigmoid"`; `""` where none follows.
        slope: Negative slope of a leaky activation, else 0.
        units: Length of the unit axis (features, or channels); 0 if unknown.
        weight: Name of the weight parameter, or `""`.
        bias: Name of the bias parameter, or `""`.
        is_head: Whether its output is what the loss receives.
        fed_by: Weights of the layers whose outputs it reads; empty where it reads data
            alone, None where that is unknown.
    """

    site: str
    operation: str = "linear"
    activation: str = ""
    slope: float = 0.0
    units: int = 0
    weight: str = ""
    bias: str = ""
    is_head: bool = False
    fed_by: tuple[str, ...] | None = None


_ADAPTIVE = (
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "RMSprop",
    "Adagrad",
    "Adadelta",
)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter group of an optimizer.

    Attributes:
        optimizer: Class name, such as `"SGD"`.
        options: The group's numeric and boolean hyperparameters, such as
            `{"lr": 0.1, "momentum": 0.9}`.
        parameters: How many parameter tensors it holds.
        unowned: How many of those do not belong to the watched model.
    """

    optimizer: str
    options: dict[str, float | bool | str | tuple[float, ...] | None] = {}
    parameters: int = 0
    unowned: int = 0

    @property
    def is_adaptive(self) -> bool:
        """Whether steps are scaled by the gradient's own size."""
        return self.optimizer in _ADAPTIVE


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What the loss is, as read off its graph.

    Attributes:
        kind: `"mse"`, `"l1"`, `"huber"`, `"cross-entropy"`, `"nll"`, `"bce"`,
            `"bce-with-logits"`, or `""` where it is none of these.
        reduction: `"mean"`, `"sum"`, `"none"` or `""`.
        head: The activation through which the outputs reach the loss: `"relu"`,
            `"sigmoid"`, `"softmax"`, `"log-softmax"`, `"tanh"`, …; `""` for none.
        outputs: Length of the output axis; 0 if unknown.
        shape: Of the outputs before the loss; empty if unknown.
        target_shape: Of the targets, likewise.
        is_broadcast: Whether outputs and targets had different shapes and the loss
            compared every one with every other.
        is_scaled: Whether it was multiplied or divided before `backward()`, as is done
            where several batches make one step.
    """

    kind: str = ""
    reduction: str = ""
    head: str = ""
    outputs: int = 0
    shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    is_broadcast: bool = False
    is_scaled: bool = False


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a training that a rule may need besides the numbers.

    Attributes:
        name: What the user calls the model: its class, or its variable.
        modules: All modules, in `named_modules()` order.
        parameters: All parameters, in `named_parameters()` order.
        layers: Layers as they run; empty until one forward pass was sampled.
        groups: Parameter groups of all its optimizers.
        loss: What the loss is; None until one was seen.
        operations: Names of all nodes on the graph of the first loss, such as `"Relu"`.
        unreached: Parameters with `requires_grad` that the loss does not depend on.
        unlisted: What the loss depends on and a module keeps where `parameters()` does
            not look, such as layers in a plain list, and no optimizer owns.
        strangers: What the loss depends on instead, where it depends on none of the
            parameters.
        batch: Shape of the first model input; empty if unknown.
        batch_size: Length of its first axis; 0 if unknown.
        dtype: Of the first input.
        device: Where the parameters live.
        hidden: What this training hides from view, each a reason in a few words, such
            as `"torch.compile"`.
        seed: `torch.initial_seed()` when watching began.
        versions: Package name to version.
        argv: The command that was run, empty for a live watch.
        started: Unix time, seconds.
    """

    name: str = "model"
    modules: tuple[Module, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    layers: tuple[Layer, ...] = ()
    groups: tuple[Group, ...] = ()
    loss: Loss | None = None
    operations: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    batch: tuple[int, ...] = ()
    batch_size: int = 0
    dtype: str = ""
    device: str = ""
    hidden: tuple[str, ...] = ()
    seed: int = 0
    versions: dict[str, str] = {}
    argv: tuple[str, ...] = ()
    started: float = 0.0
