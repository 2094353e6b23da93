"""An NSNet2 that came as the operations of an ONNX file."""

from __future__ import annotations

import re

from torch import Tensor

from stemsplit.models.blocks.onnx_layers import (
    gru_tensors,
    layers_of,
    matrix,
    refusal,
    vector,
    word_of,
)
from stemsplit.models.family import Graph

_LINEAR = r"MatMul\* Add\*"
_NETWORK = re.compile(
    rf"{_LINEAR} Relu GRU\* GRU\* {_LINEAR} Relu {_LINEAR} Relu {_LINEAR} Sigmoid(?: Clip)?"
)
_NAMES = ("fc_in.0", "fc_out.0", "fc_out.2", "fc_out.4")


def recognise_nsnet2(graph: Graph) -> tuple[dict[str, object], dict[str, Tensor]] | None:
    """Arguments and tensors of an NSNet2; None for a network that is not recurrent.

    Raises:
        CheckpointError: the network is another one.
    """
    layers = layers_of(graph.parts.get("", ()))
    if not any(layer.kind == "GRU" for layer in layers):
        return None
    if not _NETWORK.fullmatch(word_of(layers)):
        raise refusal("NSNet2", "its layers do not follow each other as those of an NSNet2")
    try:
        tensors = gru_tensors([layer for layer in layers if layer.kind == "GRU"], "gru")
    except ValueError as error:
        raise refusal("NSNet2", str(error)) from error
    for kind, part, values in (("MatMul", "weight", matrix), ("Add", "bias", vector)):
        found = [values(layer) for layer in layers if layer.kind == kind]
        tensors |= {f"{name}.{part}": tensor for name, tensor in zip(_NAMES, found, strict=True)}
    if any(tensor.ndim != 1 + name.count("weight") for name, tensor in tensors.items()):
        raise refusal("NSNet2", "its weights are no matrices and vectors")
    sizes: dict[str, object] = {
        "bins": tensors["fc_in.0.weight"].shape[1],
        "fc_in": tensors["fc_in.0.weight"].shape[0],
        "gru": tensors["gru.weight_hh_l0"].shape[1],
        "fc_out": tensors["fc_out.0.weight"].shape[0],
    }
    return sizes, tensors
