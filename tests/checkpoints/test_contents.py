"""Checkpoints of the reference, read without its code, and everything that only looks like one."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import random
import zipfile
from argparse import Namespace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from stemsplit.checkpoints.contents import Trained, Weights, read_file
from stemsplit.checkpoints.pickle_data import read_pickle
from stemsplit.checkpoints.pickle_values import Attributes, Opaque
from stemsplit.checkpoints.torch_file import _Storages, read_checkpoint
from stemsplit.errors import CheckpointError
from tests.models import random_models
from tests.references import reference_module

HTDemucs = reference_module("demucs.htdemucs").HTDemucs


def read_weights(path: Path) -> Weights:
    """The content of a file that names its network."""
    content = read_file(path)
    assert isinstance(content, Weights)
    return content


METADATA = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": "{}"}


def same_bits(a: Tensor, b: Tensor) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.contiguous().view(torch.uint8).equal(b.contiguous().view(torch.uint8))
    )


def package(model: Any, *, half: bool) -> dict[str, Any]:
    args, kwargs = model._init_args_kwargs
    state = {name: tensor.half() if half else tensor for name, tensor in model.state_dict().items()}
    return {
        "klass": type(model),
        "args": args,
        "kwargs": kwargs,
        "state": state,
        "training_args": {"path": Path("/x"), "set": {1, 2}, "seen": b"\xff\0", "n": 2**40},
    }


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("zip_layout", [True, False])
def test_a_demucs_package_reads_bit_for_bit(tmp_path: Path, zip_layout: bool, half: bool) -> None:
    original = package(random_models.htdemucs(), half=half)
    torch.save(original, tmp_path / "a.th", _use_new_zipfile_serialization=zip_layout)
    weights = read_weights(tmp_path / "a.th")
    assert weights.class_name == "demucs.htdemucs.HTDemucs"
    assert weights.args == tuple(original["args"])
    assert weights.kwargs == original["kwargs"]
    assert weights.tensors.keys() == original["state"].keys()
    assert all(
        same_bits(weights.tensors[name], original["state"][name]) for name in weights.tensors
    )


def test_the_published_layouts_agree(tmp_path: Path) -> None:
    model = random_models.hdemucs()
    plain = read_weights(random_models.write_safetensors(model, tmp_path, half=True))
    pickled = read_weights(random_models.write_th(model, tmp_path, half=True))
    assert (plain.class_name, plain.args) == (pickled.class_name, pickled.args)
    assert plain.kwargs == pickled.kwargs
    assert plain.tensors.keys() == pickled.tensors.keys()
    assert all(same_bits(plain.tensors[name], pickled.tensors[name]) for name in plain.tensors)


def test_fractions_survive_safetensors(tmp_path: Path) -> None:
    weights = read_weights(random_models.write_safetensors(random_models.htdemucs(), tmp_path))
    assert weights.kwargs["segment"] == Fraction(1, 2)
    assert isinstance(weights.kwargs["segment"], Fraction)


@pytest.mark.parametrize("zip_layout", [True, False])
def test_shapes_dtypes_and_views_survive(tmp_path: Path, zip_layout: bool) -> None:
    base = torch.arange(24).reshape(4, 6)
    value = {
        "transposed": base.t(),
        "slice": base[1:3, ::2],
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.empty(0, 512),
        "bool": torch.tensor([True, False]),
        "bfloat16": torch.randn(3).bfloat16(),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "bytes": torch.arange(5, dtype=torch.uint8),
    }
    torch.save(
        collections.OrderedDict(value), tmp_path / "a.th", _use_new_zipfile_serialization=zip_layout
    )
    read = read_checkpoint(tmp_path / "a.th")
    assert isinstance(read, dict)
    assert read.keys() == value.keys()
    assert all(
        same_bits(read[name].reshape(-1), value[name].detach().reshape(-1)) for name in value
    )
    assert read["empty"].shape == (0, 512)


def read_bytes(data: bytes) -> object:
    return read_pickle(io.BytesIO(data), _Storages(max_bytes=0))


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_survives_every_protocol(protocol: int) -> None:
    value = {
        "none": None,
        "true": True,
        "int": -5,
        "long": 2**70,
        "float": 1.5,
        "text": "é",
        "bytes": b"\xff\x00",
        "list": [1, [2, []]],
        "tuple": (1, (2,), (), (1, 2, 3, 4)),
        "set": {1, 2},
        "ordered": collections.OrderedDict(a=1),
        "fraction": Fraction(39, 5),
        "negative": Fraction(-1, 3),
        "size": torch.Size([1, 2]),
        "shared": ["x"] * 2,
    }
    assert read_bytes(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    "reduced",
    [b"cfractions\nFraction\n(V39/5\ntR.", b"cfractions\nFraction\n(I39\nI5\ntR."],
    ids=["up to 3.11", "later"],
)
def test_fractions_of_every_python_are_read(reduced: bytes) -> None:
    assert read_bytes(reduced) == Fraction(39, 5)


class Evil:
    """Unpickled by Python, this creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("zip_layout", [True, False])
def test_nothing_in_a_pickle_is_called(tmp_path: Path, zip_layout: bool) -> None:
    target = tmp_path / "pwned"
    torch.save(
        {"klass": Evil(target)}, tmp_path / "a.th", _use_new_zipfile_serialization=zip_layout
    )
    assert isinstance(read_checkpoint(tmp_path / "a.th"), dict)
    assert not target.exists()


def test_classes_and_instances_become_names() -> None:
    value = read_bytes(pickle.dumps([HTDemucs, Path("/x"), collections.defaultdict(list, a=[1])]))
    assert isinstance(value, list)
    assert value[0] == Opaque("demucs.htdemucs.HTDemucs")
    assert all(isinstance(item, Opaque) for item in value)


NAMESPACE = b"cargparse\nNamespace\n)\x81"


@pytest.mark.parametrize("zip_layout", [True, False])
def test_a_parsed_command_line_is_its_attributes(tmp_path: Path, zip_layout: bool) -> None:
    saved = Namespace(width=8, names=["a"], none=None, inner=Namespace(x=1), call=os.system)
    torch.save({"args": saved}, tmp_path / "a.pt", _use_new_zipfile_serialization=zip_layout)
    content = read_checkpoint(tmp_path / "a.pt")
    assert isinstance(content, dict)
    attributes = content["args"]
    assert type(attributes) is Attributes
    call = attributes.values.pop("call")
    assert isinstance(call, Opaque)
    inner = Attributes({"x": 1})
    assert attributes.values == {"width": 8, "names": ["a"], "none": None, "inner": inner}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (NAMESPACE + b".", Attributes()),
        (NAMESPACE + b"}Vx\nI1\nsb.", Attributes({"x": 1})),
        # Only the class itself, made of nothing and never called.
        (b"cargparse\nNamespace\n.", Opaque("argparse.Namespace")),
        (b"cargparse\nNamespace\n)R.", Opaque("argparse.Namespace")),
        (b"cargparse\nNamespace\n(Vx\nt\x81.", Opaque("argparse.Namespace")),
        (b"cargparse\nNamespace.x\n)\x81.", Opaque("argparse.Namespace.x")),
        (b"cargparse\nArgumentParser\n)\x81}Vx\nI1\nsb.", Opaque("argparse.ArgumentParser")),
        (b"cevil.argparse\nNamespace\n)\x81.", Opaque("evil.argparse.Namespace")),
    ],
)
def test_of_all_classes_one_has_attributes(data: bytes, value: object) -> None:
    assert read_bytes(data) == value


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (b"I1\nb.", "no names with values"),
        (b"]b.", "no names with values"),
        (b"N}\x86b.", "no names with values"),
        (b"}I1\nI2\nsb.", "no names with values"),
        (b"Vx\nI1\ns.", "items for a dict meet"),
        (b"}I1\nI2\nsb)R.", "names with values"),
        (b")R.", "calls what is not a function"),
        (b")\x81.", "not a class"),
        (b"}q\x00h\x00h\x00sb.", "used as a key"),
    ],
)
def test_attributes_are_names_with_values(state: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_bytes(NAMESPACE + state)


def test_attributes_are_neither_keys_nor_tensors_nor_a_state(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="used as a key"):
        read_bytes(b"}" + NAMESPACE + b"Ns.")
    torch.save(Namespace(w=torch.ones(3)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_file(tmp_path / "a.pt")


def test_what_a_training_was_started_with_comes_with_its_tensors(tmp_path: Path) -> None:
    state, path = {"w": torch.ones(2)}, tmp_path / "a.pt"
    torch.save({"args": Namespace(N=3, path=None), "state_dict": state}, path)
    content = read_file(path)
    assert isinstance(content, Trained)
    assert content.arguments == {"N": 3, "path": None}
    # Of what is not plain, and so not of a command line, nothing is taken but the tensors.
    itself = Namespace(N=3)
    itself.me = itself
    endless: list[object] = []
    endless.append(endless)
    for arguments in (
        itself,
        Namespace(N=endless),
        Namespace(N=Path("/x")),
        Namespace(N=torch.ones(2)),
        {"N": 3},
    ):
        torch.save({"args": arguments, "state_dict": state}, path)
        assert isinstance(read_file(path), dict)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (b"\x80\x02}q\x00", "damaged"),
        (b".", "middle of a value"),
        (b"}}u.", "damaged"),
        (b"(((((.", "middle of a value"),
        (b"I1\nI2\ns.", "damaged"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "damaged"),
        (b"cfractions\nFraction\n(I1\nI0\ntR.", "damaged"),
        (b"ctorch\nSize\n(I1\ntR.", "where a list should"),
        (b"}((I1\nI2\ntI3\nts.", "damaged"),
        (b"}" + b")\x85" * 1 + b"\x85" * 50_000 + b"I1\ns.", "used as a key"),
    ],
)
def test_damaged_pickles_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_bytes(data)


def zip_with_pickle(path: Path, pickled: bytes, storage: bytes, **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/data/0", storage)
    return path


def tensor_pickle(*, numel: int, offset: int, size: str, stride: str) -> bytes:
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n"
        b"I%d\ntQI%d\n(%st(%stI00\nNtR." % (numel, offset, size.encode(), stride.encode())
    )


@pytest.mark.parametrize(
    ("numel", "offset", "size", "stride", "message"),
    [
        (4, 1, "I4\n", "I1\n", "beyond its storage"),
        (4, 0, "I2\nI2\n", "I4\nI1\n", "beyond its storage"),
        (4, 0, "I1000000000\n", "I0\n", "beyond its storage"),
        (4, 0, "I-1\n", "I1\n", "impossible shape"),
        (4, -1, "I4\n", "I1\n", "impossible shape"),
        (4, 0, "I4\n", "I-1\n", "impossible shape"),
        (4, 0, "I4\n", "", "number of dimensions"),
        (1 << 40, 0, "I4\n", "I1\n", "larger than the file"),
        (-4, 0, "I4\n", "I1\n", "elements of torch.FloatStorage"),
        (5, 0, "I4\n", "I1\n", "should have 20 bytes"),
    ],
)
def test_tensors_stay_inside_their_storage(
    tmp_path: Path, numel: int, offset: int, size: str, stride: str, message: str
) -> None:
    data = tensor_pickle(numel=numel, offset=offset, size=size, stride=stride)
    file = zip_with_pickle(tmp_path / "a.th", data, bytes(16))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(file)


def test_a_compressed_zip_is_refused(tmp_path: Path) -> None:
    data = tensor_pickle(numel=1 << 24, offset=0, size="I1\n", stride="I1\n")
    bomb = zip_with_pickle(
        tmp_path / "a.th", data, bytes(1 << 26), compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(bomb)


@pytest.mark.parametrize("kind", ["zip", "stream", "safetensors"])
def test_mutated_files_load_or_are_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.th")
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(3).half()}
    if kind == "safetensors":
        safetensors.torch.save_file(tensors, file, METADATA)
    else:
        value = {
            "klass": HTDemucs,
            "args": ["x"],
            "kwargs": {"segment": Fraction(39, 5)},
            "state": tensors,
        }
        torch.save(value, file, _use_new_zipfile_serialization=kind == "zip")
    original = file.read_bytes()
    rng = random.Random(0)
    num_refused = 0
    for _ in range(600):
        mutated = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        if rng.random() < 0.1:
            del mutated[rng.randrange(len(mutated)) :]
        file.write_bytes(mutated)
        try:
            read_weights(file)
        except CheckpointError:
            num_refused += 1
    assert 0 < num_refused < 600


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"klass": "demucs.htdemucs.HTDemucs"}, "has no args, kwargs"),
        ({**METADATA, "structure": "{}"}, r"quantised.*_q"),
        ({**METADATA, "args": "[NaN]"}, "NaN is not a number"),
        ({**METADATA, "args": "[" * 100_000}, "metadata is not readable"),
        ({**METADATA, "args": "[" * 20 + "]" * 20}, "not plain values"),
        ({**METADATA, "args": '"text"'}, "not plain values"),
        ({**METADATA, "kwargs": "[]"}, "not plain values"),
        ({**METADATA, "kwargs": '{"a": "' + "x" * (1 << 20) + '"}'}, "characters"),
        (
            {
                **METADATA,
                "args": json.dumps([{"_type": "fraction", "numerator": 1, "denominator": 0}]),
            },
            "fraction is out of range",
        ),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(
    tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    file = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"x": torch.ones(1)}, file, metadata)
    with pytest.raises(CheckpointError, match=message):
        read_weights(file)


def test_a_truncated_safetensors_file_is_refused(tmp_path: Path) -> None:
    file = random_models.write_safetensors(random_models.htdemucs(), tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        read_weights(file)


def test_packages_that_are_not_networks_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.th"
    model = {"klass": HTDemucs, "args": (), "kwargs": {}, "state": {"x": torch.ones(1)}}
    asteroid = {"model_name": "DPTNet", "model_args": {}, "state_dict": {"x": torch.ones(1)}}
    for value, message in (
        ([1, 2], "holds no tensors"),
        ({"klass": HTDemucs}, "not a demucs package"),
        ({**model, "state": {"__quantized": True}}, "quantised"),
        ({**model, "state": {"x": 1}}, "'x' in its state is not a tensor"),
        ({**model, "state": {}}, "no tensors"),
        ({**model, "klass": 5}, "names no class"),
        ({**model, "kwargs": {"a": HTDemucs}}, "not plain values"),
        ({**asteroid, "model_name": HTDemucs}, "names no class"),
        ({**asteroid, "model_args": [1]}, "not plain values"),
        ({**asteroid, "model_args": {"a": torch.ones(1)}}, "not plain values"),
        ({**asteroid, "state_dict": {"x": 1}}, "'x' in its state is not a tensor"),
    ):
        torch.save(value, file)
        with pytest.raises(CheckpointError, match=message):
            read_weights(file)
    file.write_text("not a checkpoint at all")
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        read_weights(file)


def test_the_state_of_a_training_is_not_that_of_the_network(tmp_path: Path) -> None:
    path, weight = tmp_path / "x.pt", torch.arange(3.0)
    torch.save({"state": {"step": 3, "best": 0.5}, "model_state_dict": {"w": weight}}, path)
    content = read_file(path)
    assert isinstance(content, dict)
    torch.testing.assert_close(content, {"w": weight})
    torch.save({"state": {"step": 3}}, path)
    with pytest.raises(CheckpointError, match="'step' in its state is not a tensor"):
        read_file(path)
