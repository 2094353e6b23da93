"""Small ONNX files, written by hand: a fuzzer should not need the package that makes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Weights = dict[str, tuple[int, ...]]
"""Shapes of weights by their names."""


def number(value: int) -> bytes:
    """A varint."""
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def field(index: int, value: int | float | str | bytes) -> bytes:
    """A field of a message: a varint, a float of four bytes, or bytes with their length."""
    if isinstance(value, float):
        return number(index << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return number(index << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(index << 3 | 2) + number(len(data)) + data


def mdxnet(*, has_products: bool) -> bytes:
    """An MDX-Net of one level, as the exporter writes it."""
    width, bins, frames = 4, 8, 16
    nodes: list[bytes] = []
    weights: Weights = {}

    def layer(kind: str, shape: Sequence[int], num_outputs: int, *extra: bytes) -> None:
        name = f"w{len(weights)}"
        names = [name, f"{name}.bias"] if num_outputs else [name]
        weights[name] = tuple(shape)
        if num_outputs:
            weights[names[1]] = (num_outputs,)
        nodes.append(node(kind, ["x", *names], *extra))

    def relu() -> None:
        nodes.append(node("Relu", ["x"]))

    def convolution(kind: str, inputs: int, outputs: int, kernel: int) -> None:
        shape = (inputs, outputs) if kind == "ConvTranspose" else (outputs, inputs)
        strides = (2, 2) if kernel == 2 else (1, 1)
        edge = 0 if kernel == 2 else kernel // 2
        layer(
            kind,
            (*shape, kernel, kernel),
            outputs,
            integers("kernel_shape", kernel, kernel),
            integers("strides", *strides),
            integers("pads", *(edge,) * 4),
            integers("dilations", 1, 1),
            field(5, field(1, "group") + field(3, 1)),
        )

    def block(channels: int, length: int) -> None:
        convolution("Conv", channels, channels, 3)
        relu()
        for shape in ((length, length // 2), (length // 2, length)) if has_products else ():
            layer("MatMul", shape, 0)
            for part in ("scale", "b", "mean", "var"):
                weights[f"n{len(weights)}.{part}"] = (channels,)
            nodes.append(node("BatchNormalization", ["x", *list(weights)[-4:]], epsilon()))
            relu()
        if has_products:
            nodes.append(node("Add", ["x", "y"]))

    convolution("Conv", 4, width, 1)
    relu()
    nodes.append(node("Transpose", ["x"], integers("perm", 0, 1, 3, 2)))
    block(width, bins)
    convolution("Conv", width, 2 * width, 2)
    relu()
    block(2 * width, bins // 2)
    convolution("ConvTranspose", 2 * width, width, 2)
    relu()
    nodes.append(node("Mul", ["x", "skip"]))
    block(width, bins)
    convolution("Conv", width, 4, 1)
    tensors = [tensor(name, shape) for name, shape in weights.items()]
    graph = [field(1, each) for each in nodes] + [field(5, each) for each in tensors]
    return field(1, 7) + field(7, b"".join(graph) + field(11, graph_input((1, 4, bins, frames))))


def node(kind: str, inputs: Sequence[str], *attributes: bytes) -> bytes:
    names = b"".join(field(1, name) for name in inputs)
    return names + field(2, "x") + field(4, kind) + b"".join(attributes)


def integers(name: str, *values: int) -> bytes:
    packed = b"".join(map(number, values))
    return field(5, field(1, name) + field(8, packed) + field(20, 7))


def epsilon() -> bytes:
    return field(5, field(1, "epsilon") + field(2, 1e-5))


def tensor(name: str, shape: Sequence[int]) -> bytes:
    size = 1
    for length in shape:
        size *= length
    data = b"".join(struct.pack("<f", index % 7 / 7) for index in range(size))
    return (
        b"".join(field(1, length) for length in shape)
        + field(2, 1)
        + field(8, name)
        + field(9, data)
    )


def graph_input(shape: Sequence[int]) -> bytes:
    lengths = b"".join(field(1, field(1, length)) for length in shape)
    return field(1, "x") + field(2, field(1, field(1, 1) + field(2, lengths)))
