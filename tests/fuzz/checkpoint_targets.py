"""Checkpoints in every layout, hostile ones among them, and what is read from them."""

from __future__ import annotations

import json
import struct
import zipfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import safetensors.torch
import torch

from stemsplit.checkpoints.contents import read_file, read_tensors
from stemsplit.checkpoints.onnx_file import fingerprint, read_onnx
from stemsplit.checkpoints.protobuf import Message, nested
from stemsplit.models.family import Graph
from stemsplit.models.registry import build_model, recognize, recognize_graph
from tests.checkpoints.tensorflow_writer import DATA, INDEX, Oddities, checkpoint
from tests.checkpoints.test_hdf5_file import FLOAT32
from tests.fuzz import onnx_files
from tests.fuzz.hub_targets import build_recognized
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Target
from tests.fuzz.text_targets import JSON_WORDS
from tests.models import published_asteroid, random_models
from tests.models.loading import GOLDEN

_METADATA = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": '{"segment": 1}'}


def _state() -> dict[str, torch.Tensor]:
    return {
        "weight": torch.arange(600.0).reshape(20, 30),
        "view": torch.arange(24.0).reshape(4, 6)[1:3, ::2],
        "bias": torch.ones(3).half(),
        "empty": torch.empty(0, 5),
    }


def _package_seeds(*, zip_layout: bool) -> Callable[[Path], Sequence[bytes]]:
    def make(folder: Path) -> list[bytes]:
        package: dict[str, object] = {
            "args": ["x", (1, 2.5, None, True)],
            "kwargs": {"segment": Fraction(39, 5), "sources": ["drums", "bass"]},
            "state": _state(),
            "training_args": {"path": Path("/x"), "set": {1, 2}, "seen": b"\xff\0", "n": 2**40},
        }
        path = folder / "seed"
        with random_models.published_class(random_models.HTDEMUCS) as package["klass"]:
            torch.save(package, path, _use_new_zipfile_serialization=zip_layout)
        demucs = path.read_bytes()
        asteroid = {"model_name": "ConvTasNet", "model_args": {"n_src": 2}, "state_dict": _state()}
        torch.save(asteroid, path, _use_new_zipfile_serialization=zip_layout)
        seeds = [demucs, path.read_bytes()]
        trained = {"args": Namespace(E_1=8, seed=None, lists=[1, 2.5]), "state_dict": _state()}
        torch.save(trained, path, _use_new_zipfile_serialization=zip_layout)
        return [*seeds, path.read_bytes()]

    return make


_PICKLE_WORDS = (
    b"cos\nsystem\n(Vtouch pwned\ntR",
    b"\x80\x02cbuiltins\nexec\n(Vopen('pwned','w')\ntR",
    b"cbuiltins\neval\n",
    b"cwebbrowser\nopen\n(Vabout:blank\ntR",
    b"c__builtin__\n__import__\n(Vantigravity\ntR",
    b"\x8c\x05posix\x8c\x06system\x93",
    b"\x8c\x05posix\x8c\x04fork\x93)R",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ccollections\nOrderedDict\n",
    b"cfractions\nFraction\n",
    b"cargparse\nNamespace\n)\x81}(Va\nI1\nub",
    b"(ibuiltins\nexec\n",
    b"\x8a\xff" + b"\xff" * 255,
    b"\x8b\xff\xff\xff\x7f",
    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x96\xff\xff\xff\xff\x7f\0\0\0",
    b"\x95\xff\xff\xff\xff\xff\xff\xff\xff",
    b"r\xff\xff\xff\xff",
    *(b"(", b"t", b"l", b"d", b"]", b"}", b")", b".", b"0", b"1", b"2", b"N", b"R", b"o", b"b"),
    *(b"Q", b"a", b"e", b"s", b"u", b"\x85", b"\x86", b"\x87", b"\x8f", b"\x90", b"\x91", b"\x94"),
    *(b"(" * 5000, b"]" * 5000, b"\x85" * 5000, b"2t" * 300, b"\x94" * 5000, b"\x8f" * 5000),
    *(b"h\0h\0\x930" * 3000, b"h\0h\1\x86h\0R" * 1000, b"2\x86" * 500, b"h\0Ns" * 3000),
    *(b"c_codecs\nencode\n", b"ctorch\nSize\n", b"\x8c\x06latin1\x86R", b"r" + b"\1" * 4),
    *(b"I9" + b"9" * 5000 + b"\n", b"F1e999\n", b"V\\u0000\n", b"S'\\q'\n", b"I-1\n"),
)


def _repack_zip(rng: Random, data: bytes) -> bytes:
    """Most times: the intact archive around a pickle that was mutated, with right checksums.

    Damage to the archive itself is found by its checksums before anything else is looked at.
    """
    if rng.random() < 0.3:
        return data
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # zipfile has no list of what it raises for damaged files
        return data
    repacked = BytesIO()
    with zipfile.ZipFile(repacked, "w") as archive:
        for name, content in entries.items():
            is_pickle = name.endswith("/data.pkl")
            archive.writestr(name, mutate(rng, [content], _PICKLE_WORDS) if is_pickle else content)
    return repacked.getvalue()


def _read_checkpoint(path: Path) -> None:
    read_file(path)


def _state_seeds(folder: Path) -> list[bytes]:
    """As training frameworks save them: tensors one level deeper, beside all else."""
    path = folder / "seed"
    names = ("first_conv.0.weight", "encoders.0.H.0.0.weight", "encoder.0.0.weight")
    state = {name: torch.ones(4, 4, 3, 3) for name in names}
    content = {
        "state_dict": state,
        "hyper_parameters": {"rate": 1e-3, "betas": (0.9, 0.999)},
        "optimizer_states": [{"state": {0: {"step": torch.ones(())}}}],
        "epoch": 3,
    }
    torch.save(content, path)
    return [path.read_bytes()]


def _read_state(path: Path) -> None:
    build_recognized(recognize(None, read_tensors(path), file_name="vocals.ckpt"))


_ONNX_WORDS = (
    *(b"Conv", b"ConvTranspose", b"MatMul", b"Add", b"Relu", b"BatchNormalization", b"Constant"),
    *(b"Identity", b"kernel_shape", b"strides", b"epsilon", b"pads", b"\xff" * 10, b"\x80" * 9),
    *(b"\x0a", b"\x12", b"\x2a", b"\x3a", b"\x42", b"\x4a", b"\x5a", b"\x08\0", b"\x3a\0" * 5000),
    *(b"\x42\x80\x80\x04" + b"\1" * 65536, b"\xff\xff\xff\xff\x0f", b"\x0a\x80\x80\x80\x08"),
)


def _change_fields(rng: Random, data: bytes) -> bytes:
    """Now and then: fields of the intact file in another order, doubled, or left out.

    The graph's length is right all the same, without which nothing in it is looked at.
    """
    if rng.random() < 0.5:
        return data
    graph = onnx_files.mdxnet(has_products=rng.random() < 0.5)
    fields = [
        onnx_files.field(number, nested(value).data.tobytes())
        for outer, content in Message(memoryview(graph))
        if outer == 7
        for number, value in nested(content)
    ]
    for _ in range(rng.choice((1, 1, 2, 5))):
        index = rng.randrange(len(fields))
        change = rng.randrange(4)
        if change == 0:
            fields.insert(rng.randrange(len(fields)), fields[index] * rng.choice((1, 2, 1000)))
        elif change == 1:
            fields.pop(index)
        elif change == 2:
            fields[index] = mutate(rng, [fields[index]], _ONNX_WORDS)
        else:
            rng.shuffle(fields)
    return onnx_files.field(7, b"".join(fields))


def _read_onnx(path: Path) -> None:
    graph = read_onnx(path)
    settings = {"target_name": "vocals", "n_fft": 64, "hop_length": 16}
    known = fingerprint(path)
    build_recognized(
        recognize_graph(
            Graph(
                parts={"": graph.nodes},
                input_shape=graph.input_shape,
                fingerprint=known,
                settings=settings,
            )
        )
    )


def _safetensors_seeds(folder: Path) -> list[bytes]:
    path = folder / "seed"
    state = {name: tensor.contiguous() for name, tensor in _state().items()}
    safetensors.torch.save_file(state, path, _METADATA)
    return [path.read_bytes()]


def _reseal_safetensors(rng: Random, data: bytes) -> bytes:
    """Most times: the length in front corrected, after more damage to the JSON behind it."""
    if len(data) < 8 or rng.random() < 0.6:
        return data
    (length,) = struct.unpack("<Q", data[:8])
    header = mutate(rng, [data[8 : 8 + min(length, len(data))]], JSON_WORDS)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


_ARGUMENTS = (
    *("channels", "audio_channels", "channels_time", "growth", "nfft", "depth", "kernel_size"),
    *("stride", "time_stride", "dconv_depth", "dconv_comp", "dconv_mode", "dconv_lstm"),
    *("dconv_attn", "multi_freqs", "norm_groups", "norm_starts", "bottom_channels", "t_layers"),
    *("t_heads", "t_hidden_scale", "t_max_period", "samplerate", "segment", "sources"),
    *("context", "context_enc", "resample", "lstm_layers", "freq_emb", "emb_scale", "hybrid"),
    *("fb_name", "out_chan", "norm_type", "mask_act", "encoder_activation", "num_layers"),
    *("rnn_type", "bidirectional", "hop_size", "mask_bound", "n_freqs", "causal"),
    "no_such_argument",
)
_ODD_ARGUMENTS: tuple[object, ...] = (
    *(0, -1, 1, 2, 3, 7, 16, 64, 1000, 16384, 10**6, 2**31, 2**63, 10**40),
    *(0.5, -0.5, 1e300, 1e-300),
    *(True, False, None, "", "x" * 1000, [], [1, 2], {}, {"a": 1}, [[]], ["a", "a"], ["../x"]),
    *(["a\n"], ["/"], ["CON"], ["a" * 64], [f"stem {number}" for number in range(65)]),
)


@cache
def _network_seeds(folder: Path) -> list[bytes]:
    """Constructor arguments of published classes, as the JSON of a safetensors file has them."""
    del folder
    arguments: dict[str, dict[str, object]] = {
        name: {
            "sources": random_models.STEMS,
            **{key: float(value) for key, value in small.items()},
        }
        for name, small in random_models.SMALL.items()
    }
    arguments |= {
        name: {**small, "n_src": 2, "sample_rate": 16000}
        for name, small in published_asteroid.SMALL.items()
    }
    return [
        json.dumps({"klass": name, "args": [], "kwargs": kwargs}).encode()
        for name, kwargs in arguments.items()
    ]


def _change_arguments(rng: Random, data: bytes) -> bytes:
    """Most times: intact JSON with other values for some arguments, known and unknown."""
    if rng.random() < 0.2:
        return data
    document = json.loads(rng.choice(_network_seeds(Path())))
    kwargs = document["kwargs"]
    names = (*kwargs, *_ARGUMENTS)
    for _ in range(rng.choice((1, 1, 2, 4))):
        kwargs[rng.choice(names)] = rng.choice(_ODD_ARGUMENTS)
    return json.dumps(document).encode()


def _build_network(path: Path) -> None:
    try:
        document = json.loads(path.read_bytes())
        klass, args, kwargs = (document[name] for name in ("klass", "args", "kwargs"))
    except (ValueError, LookupError, TypeError, RecursionError):
        return  # `read_file` gives only what is well-formed
    if isinstance(klass, str) and isinstance(args, list) and isinstance(kwargs, dict):
        build_model(klass, args, kwargs, {"a": torch.zeros(1)})


def _hdf5_seeds(folder: Path) -> list[bytes]:
    """Few arrays, of which what says where they are is most; and many."""
    del folder
    with zipfile.ZipFile(GOLDEN / "d3net.zip") as few, zipfile.ZipFile(GOLDEN / "hdf5.zip") as many:
        return [few.read("bass.h5"), many.read("arrays.h5")]


def _read_hdf5(path: Path) -> None:
    tensors = read_tensors(path)
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    assert num_bytes <= path.stat().st_size


_HDF5_WORDS = (
    *(b"TREE", b"SNOD", b"HEAP", b"\xff" * 8, b"\0" * 8, b"\x60" + b"\0" * 7, b"\3\1", b"\3\2"),
    *(struct.pack("<HHB3x", kind, 16, 0) for kind in (1, 3, 7, 8, 16, 17)),
    FLOAT32 + b"\x7f\0\0\0",
)


def _tensorflow_seeds(folder: Path) -> list[bytes]:
    del folder
    return [checkpoint(_floats(), Oddities(block_bytes=size))[INDEX] for size in (100, 10_000)]


def _floats() -> dict[str, torch.Tensor]:
    return {f"layer_{number}/kernel": torch.ones(3, 4) * number for number in range(20)}


def _read_tensorflow(path: Path) -> None:
    output = path.parents[1] / "output"
    (output / INDEX).write_bytes(path.read_bytes())
    (output / DATA).write_bytes(checkpoint(_floats())[DATA])
    tensors = read_tensors(output / INDEX)
    assert sum(tensor.numel() for tensor in tensors.values()) <= 12 * 20


CHECKPOINT_TARGETS = {
    "th-zip": Target(
        ".th",
        _package_seeds(zip_layout=True),
        _read_checkpoint,
        _PICKLE_WORDS,
        _repack_zip,
    ),
    "th-stream": Target(".th", _package_seeds(zip_layout=False), _read_checkpoint, _PICKLE_WORDS),
    "safetensors": Target(
        ".safetensors",
        _safetensors_seeds,
        _read_checkpoint,
        JSON_WORDS,
        _reseal_safetensors,
    ),
    "state": Target(
        ".ckpt",
        _state_seeds,
        _read_state,
        _PICKLE_WORDS,
        _repack_zip,
    ),
    "onnx": Target(
        ".onnx",
        lambda _: [onnx_files.mdxnet(has_products=each) for each in (True, False)],
        _read_onnx,
        _ONNX_WORDS,
        _change_fields,
    ),
    "tensorflow": Target(
        ".index",
        _tensorflow_seeds,
        _read_tensorflow,
        (b"\xff" * 9 + b"\1", b"\0" * 5, b"\x80" * 12),
    ),
    "hdf5": Target(".h5", _hdf5_seeds, _read_hdf5, _HDF5_WORDS, weight=0.3),
    "network": Target(".json", _network_seeds, _build_network, JSON_WORDS, _change_arguments, 0.3),
}
