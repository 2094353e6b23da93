"""PyTorch's own checkpoint files (`.th`, `.pt`), both layouts, read without executing anything.

* The zip layout, since PyTorch 1.6: `*/data.pkl` beside one entry per storage, `*/data/<key>`.
* The older stream: five pickles in a row (magic number, protocol, system, the object, the keys of
  the storages), then for each key the number of elements and the raw data.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from stemsplit.checkpoints.pickle_data import MAX_TENSOR_DIMENSIONS, read_pickle
from stemsplit.checkpoints.pickle_values import Opaque
from stemsplit.checkpoints.zip_archive import open_archive
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular
from stemsplit.quoting import quoted, reason

MAX_PICKLE_BYTES = 64 << 20
"""Some files have their weights in the pickle itself, as arrays."""
_PIECE_BYTES = 1 << 20
_ZIP_MAGIC = b"PK\x03\x04"
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_PROTOCOL = 1001
_DTYPES = {
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.BoolStorage": torch.bool,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.ShortStorage": torch.int16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
}


def read_checkpoint(path: Path) -> object:
    """The object in the file, as plain data with tensors; see `opcodes` for what stays opaque.

    Raises:
        CheckpointError: the file is damaged, or is not a PyTorch checkpoint.
    """
    try:
        with open_regular(path) as file:
            num_bytes = os.fstat(file.fileno()).st_size
            is_zip = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
            file.seek(0)
            storages = _Storages(max_bytes=num_bytes)
            return _read_zip(file, storages) if is_zip else _read_stream(file, storages)
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read: {error.message}", hint=error.hint) from error
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged or truncated ({reason(error)}).") from error
    except (ValueError, LookupError, struct.error) as error:  # zipfile on a broken directory
        raise CheckpointError(f"{path} is damaged ({reason(error)}).") from error


class _Storages:
    """The flat arrays that tensors are views of: named by the pickle first, filled afterwards.

    All of them together may not be larger than the file that they are read from.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._remaining_bytes = max_bytes
        self._buffers: dict[str, bytearray] = {}
        self._views: dict[str, Tensor] = {}

    def storage(self, persistent_id: object) -> object:
        """The 1-D tensor of a storage, or the class of a `module` record in an old stream."""
        match persistent_id:
            case ("module", Opaque() as cls, *_):
                return cls
            case ("storage", Opaque(name), str(key), _, int(numel), *view):
                if any(part is not None for part in view):
                    raise ValueError("a storage is a view of another")
                return self._allocate(key, name, numel)
        raise ValueError("a persistent id is neither a storage nor a module")

    def tensor(self, storage: object, offset: int, size: Any, stride: Any) -> Tensor:
        """The view of `storage` with this shape, after checking that it stays inside."""
        if not isinstance(storage, Tensor) or storage.ndim != 1:
            raise ValueError("a tensor has no storage")
        for values in (size, stride, (offset,)):
            if not isinstance(values, tuple) or not all(_is_count(value) for value in values):
                raise ValueError("a tensor has an impossible shape")
        if len(size) != len(stride) or len(size) > MAX_TENSOR_DIMENSIONS:
            raise ValueError("a tensor has an impossible number of dimensions")
        num_elements, last = 1, offset
        for length, step in zip(size, stride, strict=True):
            num_elements *= length
            last += (length - 1) * step
        # A stride of 0 would let a short storage pass for a huge tensor.
        if num_elements > storage.numel() or (num_elements and last >= storage.numel()):
            raise ValueError("a tensor reaches beyond its storage")
        return storage.as_strided(size, stride, offset)

    def names(self) -> list[str]:
        return list(self._buffers)

    def fill(self, key: str, file: IO[bytes]) -> None:
        """Reads the data of one storage from the file's position."""
        buffer = memoryview(self._buffers[key])
        filled = 0
        while filled < len(buffer):
            block = file.read(min(len(buffer) - filled, _PIECE_BYTES))
            if not block:
                raise CheckpointError(f"the data of storage {key} ends too early.")
            buffer[filled : filled + len(block)] = block
            filled += len(block)

    def num_bytes(self, key: str) -> int:
        return len(self._buffers[key])

    def num_elements(self, key: str) -> int:
        return self._views[key].numel()

    def _allocate(self, key: str, type_name: str, numel: int) -> Tensor:
        dtype = _DTYPES.get(type_name)
        if dtype is None or not _is_count(numel):
            raise ValueError(f"a storage is {numel} elements of {type_name}")
        if key in self._views:
            if (self._views[key].dtype, self._views[key].numel()) != (dtype, numel):
                raise ValueError(f"storage {key} is described twice, differently")
            return self._views[key]
        num_bytes = numel * dtype.itemsize
        self._remaining_bytes -= num_bytes
        if self._remaining_bytes < 0:
            raise ValueError("the storages are larger than the file")
        self._buffers[key] = bytearray(num_bytes)
        self._views[key] = (
            torch.frombuffer(self._buffers[key], dtype=dtype)
            if numel
            else torch.empty(0, dtype=dtype)
        )
        return self._views[key]


def _entries(archive: zipfile.ZipFile, max_bytes: int) -> list[zipfile.ZipInfo]:
    """What is in the archive, stored as it is, and nothing of the file twice."""
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError("it is a compressed zip file, which PyTorch does not write.")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise CheckpointError("it is a zip file whose entries overlap.")
    return entries


def _read_zip(file: IO[bytes], storages: _Storages) -> object:
    with open_archive(file) as archive:
        entries = _entries(archive, storages.max_bytes)
        pickles = [entry for entry in entries if entry.filename.count("/") == 1]
        pickles = [entry for entry in pickles if entry.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError("it is a zip file, but not one of PyTorch's.")
        if pickles[0].file_size > MAX_PICKLE_BYTES:
            raise CheckpointError(f"its pickle has {pickles[0].file_size} bytes.")
        folder = pickles[0].filename.removesuffix("data.pkl")
        _check_byte_order(archive, folder)
        with archive.open(pickles[0]) as pickle:
            content = b"".join(iter(lambda: pickle.read(_PIECE_BYTES), b""))
        value = read_pickle(io.BytesIO(content), storages)
        for key in storages.names():
            entry = archive.getinfo(f"{folder}data/{key}")
            if entry.file_size != storages.num_bytes(key):
                raise CheckpointError(
                    f"storage {key} should have {storages.num_bytes(key)} bytes, "
                    f"but has {entry.file_size}."
                )
            with archive.open(entry) as data:
                storages.fill(key, data)
                data.read(1)  # the end: here zipfile compares the checksum
    return value


def _check_byte_order(archive: zipfile.ZipFile, folder: str) -> None:
    name = f"{folder}byteorder"
    if name in archive.namelist():
        with archive.open(name) as file:
            order = file.read(16)
        if order != b"little":
            raise CheckpointError(
                f"its byte order is {quoted(order)}; only little-endian is supported."
            )


def _read_stream(file: IO[bytes], storages: _Storages) -> object:
    head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    no_tensors = _Storages(max_bytes=0)
    if head.getvalue()[:1] != b"\x80" or read_pickle(head, no_tensors) != _STREAM_MAGIC:
        raise CheckpointError("it is not a PyTorch checkpoint.")
    if read_pickle(head, no_tensors) != _STREAM_PROTOCOL:
        raise CheckpointError("it is a PyTorch checkpoint of an unknown version.")
    system = read_pickle(head, no_tensors)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError("it was not written on a little-endian machine.")
    value = read_pickle(head, storages)
    keys = read_pickle(head, no_tensors)
    if not isinstance(keys, list) or not _same_names(keys, storages.names()):
        raise CheckpointError("its list of storages is not that of its tensors.")
    file.seek(head.tell())
    for key in keys:
        (num_elements,) = struct.unpack("<q", file.read(8))
        if num_elements != storages.num_elements(key):
            raise CheckpointError(f"storage {key} has {num_elements} elements of another number.")
        storages.fill(key, file)
    return value


def _same_names(keys: Sequence[object], names: Sequence[str]) -> bool:
    return all(isinstance(key, str) for key in keys) and sorted(map(str, keys)) == sorted(names)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 48
