"""Operations that work on each number alone, whatever stands beside it.

A closed list: what is not in it is refused, such as sums, softmax, and indices.
"""

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

_MODULES: dict[type[nn.Module], str] = {
    nn.CELU: "celu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Hardshrink: "hardshrink",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
    nn.Hardtanh: "hardtanh",
    nn.LeakyReLU: "leaky_relu",
    nn.LogSigmoid: "logsigmoid",
    nn.Mish: "mish",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.Softshrink: "softshrink",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
    nn.Tanhshrink: "tanhshrink",
    nn.Threshold: "threshold",
}
# with one operand, all else numbers
_FUNCTIONS = (
    *_MODULES.values(),
    *("relu_", "tanh_", "sigmoid_"),
    *("abs", "absolute", "asinh", "atan", "arctan", "ceil", "clamp", "clamp_max"),
    *("clamp_min", "clip", "cos", "cosh", "erf", "exp", "expm1", "floor", "log"),
    *("log1p", "reciprocal", "round", "rsqrt", "sign", "sin", "sinc", "sinh", "sqrt"),
    *("square", "tan"),
)
# with one operand and a number, or with two of the same units
_OPERATORS = (
    *("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "truediv"),
    *("true_divide", "neg", "negative", "pos", "pow", "maximum", "minimum"),
    *("eq", "ne", "lt", "le", "gt", "ge", "where", "float"),
)
_NAMES = {*_FUNCTIONS, *_OPERATORS}
_NAMED: dict[Any, str] = {
    function: name
    for name in sorted(_NAMES)
    for home in (F, torch, operator)
    if (function := getattr(home, name, None)) is not None
}
_SCALES = ("mul", "multiply", "neg", "negative", "pos", "float")
_QUOTIENTS = ("div", "divide", "truediv", "true_divide")
_SHIFTS = ("add", "sub", "subtract", "rsub")
SCALE, SHIFT = "scale", "shift"  # by a number: they bend nothing
HOMOGENEOUS = ("relu", "leaky_relu", "abs", SCALE)  # f(c·x) = c·f(x) for c > 0


def pointwise(node: fx.Node, model: nn.Module) -> str:
    """What to call an operation on each number alone; `""` if it is none.

    Operands that are tensors have to be of the same units: the caller looks. Trained
    numbers are tensors, too.
    """
    if node.op == "call_module":
        return _MODULES.get(type(model.get_submodule(str(node.target))), "")
    if node.op == "call_function":
        name = _NAMED.get(node.target, "")
    elif node.op == "call_method" and str(node.target) in _NAMES:
        name = str(node.target)
    else:
        return ""
    operands = [*node.args, *node.kwargs.values()]
    if not all(isinstance(x, fx.Node | int | float | str | None) for x in operands):
        return ""
    if name == "where" and len(operands) != 3:  # with one operand it finds indices
        return ""
    if len(node.all_input_nodes) == 1 and operands.count(node.all_input_nodes[0]) == 1:
        is_first = bool(node.args) and isinstance(node.args[0], fx.Node)
        if name in _SCALES or (
            name in _QUOTIENTS and is_first and not node.kwargs.get("rounding_mode")
        ):
            return SCALE
        if name in _SHIFTS:
            return SHIFT
    return name.rstrip("_")
