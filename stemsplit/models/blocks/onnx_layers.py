"""Layers of ONNX files under PyTorch's names and in its order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.family import GraphNode

_GATES = 3
_PLAIN_GRU = {"linear_before_reset": 1, "direction": "forward", "layout": 0}
_GRU_INPUTS = slice(1, 4)  # weights for the input, for the state, and biases

PLUMBING = (
    *("Cast", "Concat", "ConstantOfShape", "Gather", "Pad", "Reshape", "Shape", "Slice"),
    *("Squeeze", "Transpose", "Unsqueeze"),
)
"""What moves numbers and changes none."""


def refusal(network: str, why: str) -> CheckpointError:
    """What is said of an ONNX file that looks like the network and is another one."""
    return CheckpointError(
        f"The ONNX file is no {network} that stemsplit implements: {why}.",
        hint="Use another checkpoint, or the software that this one was made with.",
    )


def layers_of(nodes: Iterable[GraphNode]) -> list[GraphNode]:
    """The operations that change numbers, in order."""
    return [node for node in nodes if node.kind not in PLUMBING]


def word_of(layers: Sequence[GraphNode]) -> str:
    """The kinds of operations in a row; those with learned weights are marked with a star."""
    return " ".join(
        layer.kind[:40] + "*" * any(weight is not None and weight.ndim for weight in layer.inputs)
        for layer in layers
    )


def matrix(layer: GraphNode) -> Tensor:
    """The weight [out, in] of a product with a matrix [in, out]."""
    return next(weight for weight in layer.inputs if weight is not None).t().contiguous()


def vector(layer: GraphNode) -> Tensor:
    """The bias that a layer adds."""
    return next(weight for weight in layer.inputs if weight is not None)


def gru_tensors(layers: Sequence[GraphNode], prefix: str) -> dict[str, Tensor]:
    """The tensors of a `torch.nn.GRU` whose levels are these operations.

    Raises:
        ValueError: one is of another kind than PyTorch has.
    """
    tensors = {}
    for level, layer in enumerate(layers):
        weights = layer.inputs[_GRU_INPUTS]
        plain = all(
            layer.attributes.get(name, value) == value for name, value in _PLAIN_GRU.items()
        )
        if not plain or "linear_before_reset" not in layer.attributes or len(weights) < 3:
            raise ValueError("a GRU is of another kind")
        for_input, for_state, biases = weights
        if (
            for_input is None
            or for_state is None
            or biases is None
            or for_input.ndim != 3
            or for_state.ndim != 3
            or biases.ndim != 2
            or any(weight.shape[0] != 1 for weight in (for_input, for_state, biases))
            or any(weight.shape[1] % (2 * _GATES) for weight in (for_input, for_state, biases))
        ):
            raise ValueError("a GRU's weights have other shapes")
        bias_of_input, bias_of_state = biases[0].chunk(2)
        for kind, part, weight in (
            ("weight", "ih", for_input[0]),
            ("weight", "hh", for_state[0]),
            ("bias", "ih", bias_of_input),
            ("bias", "hh", bias_of_state),
        ):
            tensors[f"{prefix}.{kind}_{part}_l{level}"] = _reset_first(weight)
    return tensors


def _reset_first(weight: Tensor) -> Tensor:
    """ONNX has update, reset, new; PyTorch reset, update, new."""
    update, reset, new = weight.chunk(_GATES)
    return torch.cat((reset, update, new))
