"""A DeepFilterNet3 that came as the operations of three ONNX files, beside its configuration.

The exporter keeps few names, but it keeps the order. What the layers between them do is known too,
so networks that only look like one are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from stemsplit.models.blocks.declared import names_of
from stemsplit.models.blocks.onnx_layers import gru_tensors, layers_of, refusal, word_of
from stemsplit.models.deepfilternet.config import FIXED, DeepFilterNetConfig
from stemsplit.models.family import Graph, GraphNode
from stemsplit.quoting import reason

_NETWORK = "DeepFilterNet3"
_SEPARABLE, _UP, _SKIP = r"Conv\* Conv\* Relu", r"ConvTranspose\* Conv\* Relu", r"Conv\* Relu Add"
_MEMORY = r"Einsum\* Relu (?:GRU\* )+"
_UNUSED = r"MatMul\* Add\* Sigmoid"
"""What says how loud the noise is, and how far filters may be trusted: nobody asks."""

_WORDS = {
    "enc": rf"Conv\* Relu (?:{_SEPARABLE} ){{5}}Einsum\* Relu Add {_MEMORY}Einsum\* Relu {_UNUSED} "
    r"Mul Add",
    "erb_dec": rf"{_MEMORY}Einsum\* Relu {_SKIP} {_SEPARABLE} {_SKIP} {_UP} {_SKIP} {_UP} {_SKIP} "
    r"Conv\* Sigmoid",
    "df_dec": rf"{_MEMORY}Einsum\* Add {_SEPARABLE} {_UNUSED} Einsum\* Tanh Add",
}
_NAMES = {
    "enc": (
        "encoder",
        "bands.0.0 bands.1.0 bands.1.1 bands.2.0 bands.2.1 bands.3.0 bands.3.1 "
        "bins.0.0 bins.0.1 bins.1.0 bins.1.1 bins_linear memory.linear_in memory.linear_out",
    ),
    "erb_dec": (
        "band_decoder",
        "memory.linear_in memory.linear_out skips.0.0 layers.0.0 "
        "layers.0.1 skips.1.0 layers.1.0 layers.1.1 skips.2.0 layers.2.0 layers.2.1 skips.3.0 last",
    ),
    "df_dec": ("filter_decoder", "memory.linear_in skip path.0 path.1 last"),
}
"""Of the layers with weights that are no GRUs, in order."""
_LAYERS = ("Conv", "ConvTranspose", "Einsum")
_HALVED = ("bands.1.0", "bands.2.0", "bins.1.0", "layers.1.0", "layers.2.0")
_IN_TWO_GROUPS = ("bins.0.0", "path.0")
_IN_ONE_GROUP = ("bands.0.0", "last")
_EQUATION = "btgi,gih->btgh"
_SECTIONS = {"train": ("model",), "deepfilternet": None, "df": None}
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?")


def recognise_deepfilternet(graph: Graph) -> tuple[dict[str, object], dict[str, Tensor]] | None:
    """Arguments and tensors of a DeepFilterNet3; None for what is not in three such files.

    Raises:
        CheckpointError: the networks are others.
    """
    if graph.parts.keys() != _WORDS.keys():
        return None
    tensors: dict[str, Tensor] = {}
    for part, nodes in graph.parts.items():
        layers = layers_of(nodes)
        if not re.fullmatch(_WORDS[part], word_of(layers)):
            raise refusal(_NETWORK, f"the layers of {part} do not follow each other as there")
        prefix, names = _NAMES[part]
        try:
            gru = gru_tensors([each for each in layers if each.kind == "GRU"], "memory.gru")
            found = _named_tensors([each for each in layers if each.kind in _LAYERS], names.split())
        except ValueError as error:
            raise refusal(_NETWORK, f"in {part}, {reason(error)}") from error
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in {**gru, **found}.items()}
    return _arguments(graph.settings or {}), tensors


def _named_tensors(layers: Sequence[GraphNode], names: Sequence[str]) -> dict[str, Tensor]:
    tensors = {}
    for layer, name in zip(layers, names, strict=True):
        weight, *bias = (each for each in layer.inputs if each is not None)
        if not _is_plain(layer, name, weight):
            raise ValueError(f"{layer.kind} is of another kind where {name} should be")
        tensors[f"{name}.weight"] = weight
        tensors |= {f"{name}.bias": each for each in bias}
    return tensors


def _is_plain(layer: GraphNode, name: str, weight: Tensor) -> bool:
    """Whether a layer does what the one of that name does, and nothing beside."""
    if layer.kind == "Einsum":
        return layer.attributes.get("equation") == _EQUATION
    pointwise = name not in _IN_TWO_GROUPS and weight.shape[1:2] != (1,)
    groups = 2 if name in _IN_TWO_GROUPS else 1
    if not pointwise and groups == 1 and name not in _IN_ONE_GROUP:
        groups = weight.shape[0]
    kernel = tuple(weight.shape[2:])
    usual = {
        "kernel_shape": kernel,
        "strides": (1, 1 + (name in _HALVED)),
        "pads": (0, kernel[-1] // 2) * 2,
        "dilations": (1, 1),
        "group": groups,
        "output_padding": (0, 1),
        "auto_pad": "NOTSET",
    }
    return weight.ndim == 4 and all(
        usual.get(key) == value for key, value in layer.attributes.items()
    )


def _arguments(sections: Mapping[str, object]) -> dict[str, object]:
    """What the sections of the configuration say about the network; numbers as numbers."""
    known = {*names_of(DeepFilterNetConfig), *FIXED}
    arguments: dict[str, object] = {}
    for name, only in _SECTIONS.items():
        section = sections.get(name)
        for key, value in section.items() if isinstance(section, Mapping) else ():
            if key in (only or known):
                arguments[key] = _value(value)
    return arguments


def _value(text: object) -> object:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
