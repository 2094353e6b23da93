"""An ONNX file as plain data: its operations in order, with the weights that each is given.

Nothing is executed. The networks that come in such files are built from our own layers; what is
read here is which layers they are, and their weights. Only a fraction of the format is needed
(https://onnx.ai/onnx/repo-docs/IR.html), so it is read by hand instead of with a dependency.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from stemsplit.checkpoints.protobuf import DamagedMessageError, Message, float32, integers, nested
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular, read_regular
from stemsplit.quoting import reason

MAX_FILE_BYTES = 1 << 30
_MAX_DIMENSIONS = 8
_MAX_LENGTH = 1 << 31
_FINGERPRINT_BYTES = 10_240_000
_STANDARD_DOMAINS = ("", "ai.onnx")
_DTYPES = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
_QUANTISED = (2, 3, 4, 5)  # whole numbers of one or two bytes

Attribute = int | float | str | tuple[int, ...] | Tensor
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operation. `inputs` are its weights, with None for what other operations give it."""

    kind: str
    inputs: tuple[Tensor | None, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """Operations in the order of execution, and the shapes of what the network is given.

    A length that the file leaves open is None.
    """

    nodes: tuple[OnnxNode, ...]
    input_shapes: tuple[Shape, ...]

    @property
    def input_shape(self) -> Shape:
        """That of the first input."""
        return self.input_shapes[0]


def read_onnx(path: Path) -> OnnxGraph:
    """The network in the file, which takes one input.

    Raises:
        CheckpointError: damaged, or with weights that are quantised or in another file.
    """
    try:
        content = read_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}.") from error
    graph = parse_onnx(content, str(path))
    if len(graph.input_shapes) != 1:
        raise CheckpointError(
            f"{path}: the network takes {len(graph.input_shapes)} inputs, not one."
        )
    return graph


def parse_onnx(content: bytes, name: str) -> OnnxGraph:
    """The network that is the content of a file, which has that name in messages.

    Raises:
        CheckpointError: damaged, or with weights that are quantised or in another file.
    """
    try:
        return _read_model(Message(memoryview(content)))
    except DamagedMessageError as error:
        raise CheckpointError(
            f"{name} is damaged, or no ONNX file ({reason(error)}).",
            hint="Download or copy it again.",
        ) from error
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error.message}", hint=error.hint) from error


def fingerprint(path: Path) -> str:
    """The name under which tables of the UVR community know a file: the MD5 of its end.

    It is no protection against anyone: the file's SHA-256 is.
    """
    with open_regular(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _FINGERPRINT_BYTES))
        content = file.read(_FINGERPRINT_BYTES)
        return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _read_model(model: Message) -> OnnxGraph:
    graphs = [nested(value) for number, value in model if number == 7]
    if len(graphs) != 1:
        raise DamagedMessageError(f"there are {len(graphs)} networks in it")
    weights: dict[str, Tensor] = {}
    nodes, inputs = [], []
    for number, value in graphs[0]:
        if number == 1:
            nodes.append(_read_node(nested(value)))
        elif number == 5:
            name, tensor = _read_tensor(nested(value))
            weights[name] = tensor
        elif number == 11:
            inputs.append(_read_input(nested(value)))
    shapes = tuple(shape for name, shape in inputs if name not in weights)
    return OnnxGraph(_resolve(nodes, weights), shapes)


@dataclass(frozen=True, slots=True)
class _NamedNode:
    """An operation as the file has it."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


def _resolve(named: list[_NamedNode], weights: dict[str, Tensor]) -> tuple[OnnxNode, ...]:
    """The operations with weights in place of names; those that only pass weights on are gone."""
    known = dict(weights)
    nodes = []
    for node in named:
        inputs = tuple(known.get(name) for name in node.inputs)
        passed = {"Constant": node.attributes.get("value"), "Identity": (*inputs, None)[0]}
        weight = passed.get(node.kind)
        if isinstance(weight, Tensor) and len(node.outputs) == 1:
            known[node.outputs[0]] = weight
        else:
            nodes.append(OnnxNode(node.kind, inputs, node.attributes))
    return tuple(nodes)


def _read_node(message: Message) -> _NamedNode:
    inputs, outputs, kind = [], [], ""
    attributes: dict[str, Attribute] = {}
    for number, value in message:
        if number == 1:
            inputs.append(nested(value).text())
        elif number == 2:
            outputs.append(nested(value).text())
        elif number == 4:
            kind = nested(value).text()
        elif number == 5:
            name, attribute = _read_attribute(nested(value))
            if attribute is not None:
                attributes[name] = attribute
        elif number == 7 and nested(value).text() not in _STANDARD_DOMAINS:
            raise CheckpointError("it has operations that are not ONNX's own.")
    return _NamedNode(kind, tuple(inputs), tuple(outputs), MappingProxyType(attributes))


def _read_attribute(message: Message) -> tuple[str, Attribute | None]:
    """Name and value; None for a kind that no layer of ours has."""
    name, several = "", list[int]()
    attribute: Attribute | None = None
    for number, value in message:
        if number == 1:
            name = nested(value).text()
        elif number == 2:
            attribute = float32(value)
        elif number == 3 and isinstance(value, int):
            attribute = integers(value)[0]
        elif number == 4:
            attribute = nested(value).text()
        elif number == 5:
            attribute = _read_tensor(nested(value))[1]
        elif number == 8:
            several += integers(value)
    return name, tuple(several) if several else attribute


def _read_tensor(message: Message) -> tuple[str, Tensor]:
    name, kind, shape = "", 0, list[int]()
    data = memoryview(b"")
    for number, value in message:
        if number == 1:
            shape += integers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number in (4, 9, 10):  # packed floats, raw data, packed doubles: little-endian all
            data = nested(value).data
        elif number in (5, 7):
            raise CheckpointError("it holds whole numbers in a form that is not supported.")
        elif number == 8:
            name = nested(value).text()
        elif number == 13 or (number == 14 and value):
            raise CheckpointError("its weights are in another file, which is not supported.")
    return name, _tensor(shape, kind, data)


def _tensor(shape: list[int], kind: int, data: memoryview) -> Tensor:
    if kind in _QUANTISED:
        raise CheckpointError(
            "it is quantised, which is not supported.", hint="Take the model it was made from."
        )
    dtype = _DTYPES.get(kind)
    sane = len(shape) <= _MAX_DIMENSIONS and all(0 <= length < _MAX_LENGTH for length in shape)
    if dtype is None or not sane:
        raise DamagedMessageError(f"a tensor is of kind {kind} with shape {shape[:8]}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise DamagedMessageError(f"a tensor of shape {shape} has data of {len(data)} bytes")
    if not data:
        return torch.empty(shape, dtype=dtype)
    # Copied, since tensors begin anywhere in the file, and the file is then let go of.
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)


def _read_input(message: Message) -> tuple[str, Shape]:
    name = ""
    shape: Shape = ()
    for number, value in message:
        if number == 1:
            name = nested(value).text()
        elif number == 2:
            shape = _read_type(nested(value))
    return name, shape


def _read_type(message: Message) -> Shape:
    """The lengths in TypeProto.tensor_type.shape.dim."""
    for wanted in (1, 2):
        found = [nested(value) for number, value in message if number == wanted]
        if not found:
            return ()
        message = found[-1]
    lengths: list[int | None] = []
    for number, value in message:
        if number == 1:
            known = [item for field, item in nested(value) if field == 1 and isinstance(item, int)]
            lengths.append(known[-1] if known else None)
    return tuple(lengths)
