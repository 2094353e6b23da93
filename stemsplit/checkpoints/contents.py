"""One network's file as plain data: the name of its class, its arguments, its tensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn

from safetensors import SafetensorError, safe_open
from torch import Tensor

from stemsplit.checkpoints.hdf5_file import read_hdf5, read_hdf5_archive
from stemsplit.checkpoints.npz_file import read_npz
from stemsplit.checkpoints.pickle_values import Attributes, Opaque
from stemsplit.checkpoints.plain_data import check_extent, parts_of_value
from stemsplit.checkpoints.tensorflow_file import read_tensorflow
from stemsplit.checkpoints.torch_file import read_checkpoint
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular
from stemsplit.quoting import quoted, reason

MAX_METADATA_CHARACTERS = 1 << 20
MAX_HEADER_BYTES = 8 << 20
"""Of a safetensors file: what says where its tensors are, a hundred bytes for each of them."""
_MAX_FRACTION_PART = 10**18
_SAFETENSORS_KEYS = {"klass", "args", "kwargs", "structure"}
_ASTEROID_KEYS = {"model_name", "model_args", "state_dict"}
_STATE_KEYS = ("state_dict", "state", "model_state_dict", "model", "model_state")
_READERS = {
    ".npz": read_npz,
    ".index": read_tensorflow,
    ".gz": read_tensorflow,
    ".h5": read_hdf5,
    ".zip": read_hdf5_archive,
}
"""Of files that hold arrays and nothing else."""
_QUANTISED_HINT = "Take the model without `_q` in its name: it separates as well."


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What a checkpoint says. `class_name` is only looked up, never imported."""

    class_name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a training program saves that keeps what it was started with, but names no class."""

    arguments: dict[str, Any]
    tensors: dict[str, Tensor]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file that says nothing about its network.

    That is a `.safetensors` file, a NumPy archive (`.npz`), an HDF5 file (`.h5`) or a `.zip` of
    such, a checkpoint of TensorFlow (`.index`, or a `.tar.gz` with one), or a PyTorch file (`.pt`,
    `.pth`, `.ckpt`, `.tar`) whose tensors are at its top, or one level deeper as training
    frameworks save them, beside what else they save.

    Raises:
        CheckpointError: damaged, or not such a file.
    """
    if path.suffix == ".safetensors":
        return _checked_tensors(path, _open_safetensors(path)[1])
    if path.suffix in _READERS:
        return _checked_tensors(path, _READERS[path.suffix](path))
    return _bare_tensors(path, read_checkpoint(path))


def read_values(path: Path) -> dict[str, Any]:
    """What a PyTorch file says beside its tensors: names with plain values, and none else.

    Raises:
        CheckpointError: damaged, or it has no names.
    """
    content = read_checkpoint(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} says nothing about its network.")
    return {
        name: value for name, value in content.items() if isinstance(name, str) and _is_plain(value)
    }


def read_file(path: Path) -> Weights | Trained | dict[str, Tensor]:
    """What the file says if it names or describes its network, else its tensors.

    It names it in demucs' metadata of `.safetensors`, or as a package of demucs' or asteroid's. It
    describes it with the command line of its training, parsed, as `args` beside the tensors.

    Raises:
        CheckpointError: damaged, quantised, or neither.
    """
    if path.suffix == ".safetensors":
        metadata, tensors = _open_safetensors(path)
        if _SAFETENSORS_KEYS & metadata.keys():
            return _named_safetensors(path, metadata, tensors)
        return _checked_tensors(path, tensors)
    if path.suffix in _READERS:
        return read_tensors(path)
    content = read_checkpoint(path)
    if isinstance(content, dict) and "klass" in content:
        return _named_package(path, content)
    if isinstance(content, dict) and content.keys() >= _ASTEROID_KEYS:
        return _checked_weights(
            path,
            class_name=content["model_name"],
            args=(),
            kwargs=content["model_args"],
            tensors=content["state_dict"],
        )
    tensors = _bare_tensors(path, content)
    arguments = content.get("args") if isinstance(content, dict) else None
    if isinstance(arguments, Attributes) and _is_plain(arguments.values):
        return Trained(arguments=arguments.values, tensors=tensors)
    return tensors


def _bare_tensors(path: Path, content: object) -> dict[str, Tensor]:
    if isinstance(content, dict):
        inner = [content[key] for key in _STATE_KEYS if isinstance(content.get(key), dict)]
        # What is called `state` may be that of the training, beside that of the network.
        content = [*filter(_has_tensors, inner), *inner, content][0]
    return _checked_tensors(path, content)


def _has_tensors(state: Mapping[str, object]) -> bool:
    return any(isinstance(value, Tensor) for value in state.values())


def _open_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except (SafetensorError, OSError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({reason(error)}).", hint="Download or copy it again."
        ) from error


def _check_header(path: Path) -> None:
    """Raises ValueError where the header alone would take much memory to read.

    The library that reads the file takes any up to 100 MB, and builds an object for each value.
    """
    with open_regular(path) as file:
        (num_bytes,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
    if num_bytes > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {num_bytes} bytes")


def _named_safetensors(
    path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> Weights:
    if "structure" in metadata:
        raise _quantised(path)
    missing = (_SAFETENSORS_KEYS - {"structure"}) - metadata.keys()
    if missing:
        raise CheckpointError(
            f"{path} does not say which network it is for: its metadata has no "
            f"{', '.join(sorted(missing))}."
        )
    return _checked_weights(
        path,
        class_name=metadata["klass"],
        args=_read_json(metadata["args"], path),
        kwargs=_read_json(metadata["kwargs"], path),
        tensors=tensors,
    )


def _named_package(path: Path, package: object) -> Weights:
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise CheckpointError(
            f"{path} is a PyTorch file, but not a demucs package with klass, args, kwargs, state."
        )
    state, klass = package["state"], package["klass"]
    if isinstance(state, dict) and state.get("__quantized"):
        raise _quantised(path)
    return _checked_weights(
        path,
        class_name=klass.name if isinstance(klass, Opaque) else klass,
        args=package["args"],
        kwargs=package["kwargs"],
        tensors=state,
    )


def _checked_weights(
    path: Path, *, class_name: object, args: object, kwargs: object, tensors: object
) -> Weights:
    if not isinstance(class_name, str):
        raise CheckpointError(f"{path} names no class of network.")
    if not isinstance(args, (list, tuple)) or not _is_plain(args):
        raise CheckpointError(f"{path}: the arguments of the network are not plain values.")
    if not isinstance(kwargs, Mapping) or not _is_plain(kwargs):
        raise CheckpointError(f"{path}: the arguments of the network are not plain values.")
    return Weights(
        class_name=class_name,
        args=tuple(args),
        kwargs=dict(kwargs),
        tensors=_checked_tensors(path, tensors),
    )


def _checked_tensors(path: Path, tensors: object) -> dict[str, Tensor]:
    if not isinstance(tensors, dict) or not tensors:
        raise CheckpointError(f"{path} holds no tensors.")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: {quoted(name)} in its state is not a tensor.")
    return tensors


def _is_plain(value: object) -> bool:
    """Whether the value is made of nothing but lists, names, texts and numbers, and few enough."""
    try:
        check_extent(value, _plain_parts)
    except ValueError:
        return False
    return True


def _plain_parts(value: object) -> tuple[int, Collection[object]]:
    if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
        raise ValueError("a name is no text")
    if not isinstance(value, (Mapping, list, tuple, str, int, float, bool, Fraction, NoneType)):
        raise ValueError("a value is of no plain kind")
    return parts_of_value(value)


def _read_json(text: str, path: Path) -> object:
    if len(text) > MAX_METADATA_CHARACTERS:
        raise CheckpointError(f"{path}: its metadata has {len(text)} characters.")
    try:
        return json.loads(text, object_hook=_decode_fraction, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its metadata is not readable ({reason(error)}).") from error


def _decode_fraction(value: dict[str, Any]) -> object:
    if value.get("_type") != "fraction":
        return value
    numerator, denominator = value.get("numerator"), value.get("denominator")
    if not isinstance(numerator, int) or not isinstance(denominator, int):
        raise ValueError("a fraction is not made of integers")
    if not 0 < denominator <= _MAX_FRACTION_PART or abs(numerator) > _MAX_FRACTION_PART:
        raise ValueError("a fraction is out of range")
    return Fraction(numerator, denominator)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _quantised(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is quantised with diffq, which stemsplit does not support.", hint=_QUANTISED_HINT
    )
