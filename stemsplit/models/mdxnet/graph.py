"""An MDX-Net that came as the operations of an ONNX file: what network that is, and its weights.

The exporter keeps few names, but it keeps the order. Operations with weights are spelled as a
word, one letter each, and a network is an MDX-Net if its word is one. What the letters between
them must be is known too, so a network that only looks like one is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Graph, GraphNode
from stemsplit.models.mdxnet.uvr import uvr_settings

_BLOCK = r"(?P<convolutions>(?:cb?)+)(?P<products>(?:ma?b){0,2})"
_SAME_BLOCK = "(?P=convolutions)(?P=products)"
_NETWORK = re.compile(f"pb?{_BLOCK}(?P<down>(?:db?{_SAME_BLOCK})+)(?P<up>(?:ub?{_SAME_BLOCK})+)p")
"""Pointwise convolution, Block, Downscaling ..., Upscaling ..., Pointwise; a block is
Convolutions, then products (Matrix, Addition) with a Batch norm."""

_RECURRENT = ("GRU", "LSTM")
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
_EPSILON = 1e-5


def recognise_graph(graph: Graph) -> tuple[dict[str, object], dict[str, Tensor]] | None:
    """The network of an ONNX file, whose operations tell all but the settings.

    None for one that is recurrent, or in several files.

    Without settings the file must be one that the UVR community knows by its fingerprint.

    Raises:
        CheckpointError: neither, or this is no MDX-Net.
    """
    nodes = graph.parts.get("")
    if nodes is None or any(node.kind in _RECURRENT for node in nodes):
        return None
    found, tensors = read_graph(nodes, graph.input_shape)
    known = graph.settings or uvr_settings(graph.fingerprint)
    if not known:
        raise CheckpointError(
            f"The ONNX file is an MDX-Net, but nothing is known about its stem and its FFT: "
            f"{graph.fingerprint} is not among the fingerprints that the UVR community has "
            "published.",
            hint="Put a .yaml with the same name beside it, with target_name and n_fft.",
        )
    return {**known, **found}, tensors


def read_graph(
    nodes: Sequence[GraphNode], input_shape: Sequence[int | None]
) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Settings for `read_mdxnet_config`, and tensors under the names of training checkpoints.

    The settings lack what the operations do not tell: the stem, the FFT around the network.

    Raises:
        CheckpointError: this is no MDX-Net, or one of a kind that is not implemented.
    """
    weighted = [node for node in nodes if _weights(node)]
    word = "".join(_letter(node) for node in weighted)
    match = _NETWORK.fullmatch(word)
    if match is None or word.count("d") != word.count("u"):
        raise _refusal("its layers do not follow each other as those of an MDX-Net")
    num_levels = word.count("d")
    names = _layer_names(num_levels, str(match["convolutions"]), str(match["products"]))
    has_products = bool(match["products"])
    expected = {
        "Relu": len(names) - 1,
        "Mul": num_levels,  # by the skips
        "Add": (2 * num_levels + 1) * has_products,  # to what products make of the maps
    }
    _check_weightless(nodes, expected)
    settings = _settings(weighted, match, num_levels)
    lengths = {"dim_f": input_shape[2:3], "dim_t": input_shape[3:4]}
    settings.update({name: found[0] for name, found in lengths.items() if found and found[0]})
    return settings, _named_tensors(weighted, names)


def _settings(
    weighted: Sequence[GraphNode], match: re.Match[str], num_levels: int
) -> dict[str, object]:
    first = _weights(weighted[0])[0]
    settings: dict[str, object] = {
        "num_blocks": 2 * num_levels + 1,
        "g": first.shape[0],
        "dim_c": first.shape[1],
        "l": match["convolutions"].count("c"),
        "k": _weights(weighted[match.start("convolutions")])[0].shape[-1],
        "bias": "a" in match["products"],
        "bn": None,
    }
    if match["products"]:
        matrix = _weights(weighted[match.start("products")])[0]  # [F, hidden]
        bins, hidden = matrix.shape
        settings["dim_f"] = bins
        settings["bn"] = 0 if match["products"].count("m") == 1 else bins // max(1, hidden)
    return settings


def _letter(node: GraphNode) -> str:
    """The letter of an operation with weights; a space, which is in no word, for any other."""
    weights = _weights(node)
    kernel = tuple(weights[0].shape[2:])
    placed = [index for index, weight in enumerate(node.inputs) if weight is not None]
    match node.kind:
        case "Conv" if placed[0] == 1 and len(kernel) == 2 and _is_plain(node, kernel):
            return {(1, 1): "p", (2, 2): "d"}.get(kernel, "c" if kernel[0] % 2 else " ")
        case "ConvTranspose" if placed[0] == 1 and kernel == (2, 2) and _is_plain(node, kernel):
            return "u"
        case "MatMul" if placed == [1] and weights[0].ndim == 2:
            return "m"
        case "Add" if weights[0].ndim == 1:
            return "a"
        case "BatchNormalization" if placed == [1, 2, 3, 4] and _has_usual_epsilon(node):
            return "b"
    return " "


def _is_plain(node: GraphNode, kernel: tuple[int, ...]) -> bool:
    """True for a convolution with no attributes but those that all MDX-Nets have."""
    scales = kernel == (2, 2)
    edge = 0 if scales else kernel[0] // 2
    usual = {
        "kernel_shape": kernel,
        "strides": kernel if scales else (1, 1),
        "pads": (edge,) * 4,
        "dilations": (1, 1),
        "group": 1,
        "auto_pad": "NOTSET",
    }
    return len(set(kernel)) == 1 and all(
        usual.get(name) == value for name, value in node.attributes.items()
    )


def _has_usual_epsilon(node: GraphNode) -> bool:
    epsilon = node.attributes.get("epsilon", _EPSILON)
    return isinstance(epsilon, float) and abs(epsilon - _EPSILON) < 1e-9


def _check_weightless(nodes: Sequence[GraphNode], expected: Mapping[str, int]) -> None:
    """Refuses networks that have the layers of an MDX-Net, but put them together otherwise."""
    found = Counter(node.kind for node in nodes if not _weights(node))
    unknown = found.keys() - {"Transpose", *expected}
    if unknown or any(found[kind] != number for kind, number in expected.items()):
        raise _refusal(
            "it has the operations "
            + ", ".join(f"{kind[:40]} ({number})" for kind, number in sorted(found.items())[:20])
        )


def _layer_names(num_levels: int, convolutions: str, products: str) -> list[str]:
    """Names of the layers in the order of execution, as training checkpoints have them."""
    block = [f"tfc.H.{index}.0" for index in range(convolutions.count("c"))]
    block += ["tdf.0", "tdf.3"][: products.count("m")]
    names = ["first_conv.0"]
    for index in range(num_levels):
        names += [f"encoding_blocks.{index}.{layer}" for layer in block] + [f"ds.{index}.0"]
    names += [f"bottleneck_block.{layer}" for layer in block]
    for index in range(num_levels):
        names += [f"us.{index}.0"] + [f"decoding_blocks.{index}.{layer}" for layer in block]
    return [*names, "final_conv.0"]


def _named_tensors(weighted: Sequence[GraphNode], names: Sequence[str]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    remaining: Iterator[str] = iter(names)
    layer = ""
    for node in weighted:
        weights = _weights(node)
        if node.kind == "BatchNormalization":
            parent, _, position = layer.rpartition(".")
            norm = f"{parent}.{int(position) + 1}"
            for part, tensor in zip(_NORM_PARTS, weights, strict=True):
                tensors[f"{norm}.{part}"] = tensor
        elif node.kind == "Add":
            tensors[f"{layer}.bias"] = weights[0]
        else:
            layer = next(remaining)
            kernel = weights[0].t() if node.kind == "MatMul" else weights[0]
            tensors[f"{layer}.weight"] = kernel.contiguous()
            if len(weights) > 1:
                tensors[f"{layer}.bias"] = weights[1]
            elif node.kind != "MatMul":  # folded or not, these layers have a bias
                tensors[f"{layer}.bias"] = torch.zeros(_num_outputs(node))
    return tensors


def _num_outputs(node: GraphNode) -> int:
    return _weights(node)[0].shape[1 if node.kind == "ConvTranspose" else 0]


def _weights(node: GraphNode) -> list[Tensor]:
    return [weight for weight in node.inputs if weight is not None]


def _refusal(reason: str) -> CheckpointError:
    return CheckpointError(
        f"The ONNX file is not an MDX-Net that stemsplit implements: {reason}.",
        hint="Use another checkpoint, or the software that this one was made with.",
    )
