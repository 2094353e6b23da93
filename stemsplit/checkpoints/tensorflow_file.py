"""The variables of a checkpoint of TensorFlow: its files, or a `.tar.gz` in which they are.

`NAME.index` is a table sorted by keys as LevelDB has them (its doc/table_format.md), whose values
are messages of tensorflow/core/protobuf/tensor_bundle.proto. They say where in
`NAME.data-00000-of-00001` the values of each variable lie.

    NAME.index   block | block | ... | index of blocks | footer: 48 bytes, the last 8 are fixed
    a block      entry | entry | ... | where keys begin anew [uint32] | the number of these: uint32
    an entry     shared | own | size of the value | the key's own bytes | the value
                 └─ varints; the key begins with `shared` bytes of the key before

What the index claims is compared with what is there before memory is taken for it.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from stemsplit.checkpoints.protobuf import (
    MAX_NAME_BYTES,
    DamagedMessageError,
    Message,
    nested,
    varint,
)
from stemsplit.checkpoints.tar_archive import SUFFIX, read_tar_gz
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular, read_regular
from stemsplit.quoting import listed, reason

MAX_INDEX_BYTES = 8 << 20
_INDEX, _DATA = ".index", ".data-00000-of-00001"
_FOOTER_BYTES, _TRAILER_BYTES = 48, 5
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_MAX_VARIABLES = 1 << 16
_MAX_AXES = 8
_FLOAT32 = 1

_Fields = Mapping[int, "int | Message"]


def read_tensorflow(path: Path) -> dict[str, Tensor]:
    """The variables of type float32, by name, of a `.index` file or an archive with one.

    Other types are of what counts steps.

    Raises:
        CheckpointError: it is damaged, no such checkpoint, or one in several parts.
    """
    if path.name.endswith(SUFFIX):
        files = read_tar_gz(path, (_INDEX, _DATA))
        names = [name for name in files if name.endswith(_INDEX)]
        stem = names[0].removesuffix(_INDEX) if names else ""
        if len(names) != 1 or stem + _DATA not in files:
            raise CheckpointError(f"{path} does not hold one checkpoint of TensorFlow.")
        return _read(path, files[names[0]], io.BytesIO(files[stem + _DATA]))
    try:
        index = read_regular(path, MAX_INDEX_BYTES)
        with open_regular(path.with_name(path.stem + _DATA)) as data:
            return _read(path, index, data)
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be read: {reason(error)}.",
            hint=f"A checkpoint of TensorFlow is *{_INDEX} with *{_DATA} beside it.",
        ) from error


def _read(path: Path, index: bytes, data: IO[bytes]) -> dict[str, Tensor]:
    num_left = data.seek(0, os.SEEK_END)
    tensors = {}
    try:
        for key, message in _table(memoryview(index)):
            fields = dict(message)
            if not key:  # the first, which describes the whole
                _check_header(fields)
            elif fields.get(1) == _FLOAT32:
                num_left -= _number(fields, 5)
                if num_left < 0:
                    raise DamagedMessageError("its variables are larger than its data")
                tensors[key.decode()] = _variable(fields, data)
    except (DamagedMessageError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint of TensorFlow ({reason(error)}).",
            hint="Download or copy it again.",
        ) from error
    return tensors


def _table(index: memoryview) -> Iterator[tuple[bytes, Message]]:
    """Keys and values in order."""
    footer = index[-_FOOTER_BYTES:]
    if bytes(footer[-8:]) != _MAGIC:
        raise DamagedMessageError("its index has no end")
    _, position = _handle(footer, 0)  # of blocks about blocks, which nobody needs
    num_left = _MAX_VARIABLES
    for _, where in _block(index, _handle(footer, position)[0]):
        for key, value in _block(index, _handle(where, 0)[0]):
            num_left -= 1
            yield key, Message(value)
        num_left -= 1
        if num_left < 0:
            raise DamagedMessageError(f"it has more than {_MAX_VARIABLES} variables")


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and its size, and where the next handle begins."""
    start, position = varint(data, position)
    num_bytes, position = varint(data, position)
    return (start, num_bytes), position


def _block(index: memoryview, handle: tuple[int, int]) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a block."""
    start, num_bytes = handle
    block = index[start : start + num_bytes]
    trailer = index[start + num_bytes : start + num_bytes + _TRAILER_BYTES]
    if len(trailer) < _TRAILER_BYTES or num_bytes < 4:
        raise DamagedMessageError("a block of its index is not there")
    if trailer[0] != 0:
        raise DamagedMessageError("its index is packed")
    stop = num_bytes - 4 * (int.from_bytes(block[-4:], "little") + 1)
    if stop < 0:
        raise DamagedMessageError("a block of its index has no end")
    position, key = 0, b""
    while position < stop:
        shared, position = varint(block, position)
        num_own, position = varint(block, position)
        num_value_bytes, position = varint(block, position)
        value = position + num_own
        if shared > len(key) or value + num_value_bytes > stop:
            raise DamagedMessageError("an entry of its index reaches beyond its block")
        if shared + num_own > MAX_NAME_BYTES:
            raise DamagedMessageError(f"a name has {shared + num_own} bytes")
        key = key[:shared] + bytes(block[position:value])
        position = value + num_value_bytes
        yield key, block[value:position]


def _check_header(fields: _Fields) -> None:
    if _number(fields, 1) != 1:
        raise DamagedMessageError("it is in several parts")
    if _number(fields, 2) != 0:
        raise DamagedMessageError("its numbers begin with the largest byte")


def _variable(fields: _Fields, data: IO[bytes]) -> Tensor:
    axes = nested(fields[2]) if 2 in fields else ()
    shape = [_number(dict(nested(axis)), 1) for number, axis in axes if number == 2]
    num_bytes = _number(fields, 5)
    if len(shape) > _MAX_AXES or num_bytes != 4 * math.prod(shape):
        raise DamagedMessageError(f"a variable [{listed(shape)}] has {num_bytes} bytes")
    data.seek(_number(fields, 4))
    content = data.read(num_bytes)
    if len(content) < num_bytes:
        raise DamagedMessageError("a variable ends beyond the data")
    return torch.from_numpy(np.frombuffer(bytearray(content), "<f4").reshape(shape))


def _number(fields: _Fields, number: int) -> int:
    value = fields.get(number, 0)
    if not isinstance(value, int) or value >= 1 << 63:
        raise DamagedMessageError(f"field {number} is no number that it may be")
    return value
