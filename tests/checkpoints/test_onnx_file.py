"""ONNX files read as data: as the `onnx` package writes them, and damaged in every way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stemsplit.checkpoints import onnx_file as onnx_weights
from stemsplit.checkpoints import protobuf
from stemsplit.checkpoints.onnx_file import OnnxGraph, fingerprint, read_onnx
from stemsplit.checkpoints.protobuf import DamagedMessageError, Message, integers
from stemsplit.errors import CheckpointError
from tests.references import reference_module

onnx = reference_module("onnx")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(
    path: Path,
    nodes: Sequence[Any],
    initialisers: Sequence[Any] = (),
    *,
    shape: Sequence[int | str] = ("batch", 3),
    inputs: Sequence[Any] | None = None,
) -> Path:
    """A file with these operations from `input` to `output`."""
    if inputs is None:
        inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "graph", list(inputs), [output], list(initialisers))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def product(weight: str = "weight", **attributes: Any) -> Any:
    return helper.make_node("MatMul", ["input", weight], ["output"], **attributes)


def only_weight(graph: OnnxGraph) -> torch.Tensor:
    (node,) = graph.nodes
    weight = node.inputs[1]
    assert weight is not None
    return weight


def test_operations_come_in_order_with_their_weights(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["input", "weight"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node(
            "Conv", ["b", "kernel", "bias"], ["output"], strides=[2, 2], group=1, pads=[-1, 0]
        ),
        helper.make_node("Softmax", ["output"], ["c"], axis=-1, name="last"),
        helper.make_node("LeakyRelu", ["c"], ["d"], alpha=0.25),
    ]
    kernel = np.ones((1, 2, 3, 3), np.float32)
    initialisers = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(WEIGHT, "weight"),
        numpy_helper.from_array(np.float32([7]), "bias"),
    ]
    graph = read_onnx(write(tmp_path / "a.onnx", nodes, initialisers, shape=["n", 4, 8, 16]))
    assert [node.kind for node in graph.nodes] == ["MatMul", "Relu", "Conv", "Softmax", "LeakyRelu"]
    assert graph.input_shape == (None, 4, 8, 16)
    first, relu, conv, softmax, leaky = graph.nodes
    assert first.inputs[0] is None
    assert np.array_equal(first.inputs[1], WEIGHT)  # type: ignore[arg-type]
    assert relu.inputs == (None,)
    assert conv.inputs[1] is not None
    assert conv.inputs[1].shape == (1, 2, 3, 3)
    assert dict(conv.attributes) == {"strides": (2, 2), "group": 1, "pads": (-1, 0)}
    assert dict(softmax.attributes) == {"axis": -1}
    assert dict(leaky.attributes) == {"alpha": 0.25}


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT, torch.float32),
        (TensorProto.DOUBLE, torch.float64),
        (TensorProto.FLOAT16, torch.float16),
        (TensorProto.BFLOAT16, torch.bfloat16),
        (TensorProto.INT64, torch.int64),
        (TensorProto.INT32, torch.int32),
    ],
)
def test_every_usual_type_is_read_bit_for_bit(
    kind: int, dtype: torch.dtype, tmp_path: Path
) -> None:
    expected = torch.from_numpy(WEIGHT).to(dtype)
    raw = expected.view(torch.uint8).numpy().tobytes()
    weight = helper.make_tensor("weight", kind, WEIGHT.shape, raw, raw=True)
    read = only_weight(read_onnx(write(tmp_path / "a.onnx", [product()], [weight])))
    assert read.dtype == dtype
    assert torch.equal(read, expected)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_numbers_may_be_listed_instead_of_raw(kind: int, tmp_path: Path) -> None:
    weight = helper.make_tensor("weight", kind, WEIGHT.shape, WEIGHT.flatten())
    read = only_weight(read_onnx(write(tmp_path / "a.onnx", [product()], [weight])))
    assert np.array_equal(read, WEIGHT)  # type: ignore[arg-type]


def test_weights_may_come_by_way_of_constants_and_identities(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(WEIGHT)),
        helper.make_node("Identity", ["a"], ["b"]),
        product("b"),
    ]
    assert np.array_equal(only_weight(read_onnx(write(tmp_path / "a.onnx", nodes))), WEIGHT)  # type: ignore[arg-type]


def test_an_identity_of_what_is_no_weight_stays(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["input"], ["a"]), helper.make_node("Identity", [], [])]
    graph = read_onnx(write(tmp_path / "a.onnx", nodes))
    assert [node.inputs for node in graph.nodes] == [(None,), ()]


def test_old_files_name_their_weights_as_inputs_too(tmp_path: Path) -> None:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("weight", [2, 3]), ("input", [1, 2]))
    ]
    path = write(
        tmp_path / "a.onnx", [product()], [numpy_helper.from_array(WEIGHT, "weight")], inputs=inputs
    )
    assert read_onnx(path).input_shape == (1, 2)


def test_an_empty_weight_and_a_number_are_read(tmp_path: Path) -> None:
    for array in (np.zeros((0, 3), np.float32), np.float32(2.5)):
        weight = numpy_helper.from_array(np.asarray(array), "weight")
        read = only_weight(read_onnx(write(tmp_path / "a.onnx", [product()], [weight])))
        assert np.array_equal(read, array)  # type: ignore[arg-type]


def _external() -> Any:
    weight = numpy_helper.from_array(WEIGHT, "weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    return weight


def _wrong_length() -> Any:
    weight = numpy_helper.from_array(WEIGHT, "weight")
    weight.dims[0] = 10**9
    return weight


def _negative() -> Any:
    weight = numpy_helper.from_array(WEIGHT, "weight")
    weight.dims[0] = -2
    weight.dims[1] = -3
    return weight


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (numpy_helper.from_array(WEIGHT.astype(np.int8), "weight"), "it is quantised"),
        (_external(), "in another file"),
        (_wrong_length(), r"shape \[1000000000, 3\] has data of 24 bytes"),
        (_negative(), "is of kind 1 with shape"),
        (numpy_helper.from_array(WEIGHT.astype(np.complex64), "weight"), "of kind 14"),
        (helper.make_tensor("weight", TensorProto.INT64, [1], [3]), "form that is not supported"),
    ],
    ids=["quantised", "external", "length", "negative", "complex", "listed"],
)
def test_weights_that_cannot_be_had_are_refused(weight: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_onnx(write(tmp_path / "a.onnx", [product()], [weight]))


def test_networks_that_are_not_onnx_alone_or_have_several_inputs_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(CheckpointError, match="not ONNX's own"):
        read_onnx(write(tmp_path / "a.onnx", [product(domain="com.example")]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "ab"]
    with pytest.raises(CheckpointError, match="takes 2 inputs"):
        read_onnx(write(tmp_path / "a.onnx", [product()], inputs=inputs))


@pytest.mark.parametrize("data", [b"", b"\x00", b"PK\x03\x04" * 9, b"\xff" * 40, b"<html></html>"])
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(CheckpointError, match="is damaged, or no ONNX file"):
        read_onnx(tmp_path / "a.onnx")


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_onnx(tmp_path / "none.onnx")


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_weights, "MAX_FILE_BYTES", 10)
    path = write(tmp_path / "a.onnx", [product()])
    with pytest.raises(CheckpointError, match="more than 10 bytes"):
        read_onnx(path)


def test_mutated_files_load_or_are_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.onnx",
        [product(axes=[1, 2], alpha=0.5), helper.make_node("Relu", ["output"], ["b"])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    original = path.read_bytes()
    draw = random.Random(0)
    for _ in range(300):
        data = bytearray(original)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            graph = read_onnx(path)
        except CheckpointError:
            continue
        assert isinstance(graph, OnnxGraph)


def test_a_file_of_nothing_but_fields_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 100)
    with pytest.raises(DamagedMessageError, match="more than 100 fields"):
        list(Message(memoryview(b"\x08\x01" * 101)))
    nested = [value for _, value in Message(memoryview(b"\x0a\x04\x08\x01\x08\x01" * 34))]
    with pytest.raises(DamagedMessageError, match="more than 100 fields"):
        [list(value) for value in nested if isinstance(value, Message)]
    with pytest.raises(DamagedMessageError, match="more than 100 fields"):
        integers(Message(memoryview(b"\x01" * 101)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "does not end"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "does not end"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "does not end"),
        (b"\x0a\x05abc", "reaches beyond"),
        (b"\x0d\x01\x02", "reaches beyond"),
        (b"\x0b\x0c", "reaches beyond"),
        (b"\x02\x00", "no number"),
    ],
)
def test_messages_that_are_none_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(DamagedMessageError, match=message):
        list(Message(memoryview(data)))


def test_the_largest_numbers_are_read() -> None:
    (field,) = Message(memoryview(b"\x08" + b"\xff" * 9 + b"\x01"))
    assert field == (1, (1 << 64) - 1)
    assert integers(field[1]) == [-1]


def test_the_fingerprint_is_that_of_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"x" * 10)
    assert fingerprint(path) == "336311a016184326ddbdd61edd4eeb52"  # md5sum of the ten bytes
    path.write_bytes(b"begin" + b"\0" * 10_240_000)
    other = tmp_path / "b.onnx"
    other.write_bytes(b"\0" * 10_240_000)
    assert fingerprint(path) == fingerprint(other)
