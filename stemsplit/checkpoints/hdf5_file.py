"""The arrays of an HDF5 file, by their paths, or of those in a zip file.

Of the format (HDF5 File Format Specification, version 1.1 and the parts of 2.0 with the same
numbers) this reads what writers make unless they are asked for more: the first kind of superblock,
groups that are symbol tables, arrays of floating-point numbers in one piece.

    superblock    where the root group's header is
    a header      messages: shape, type and place of an array; or a group's tree and names
    a tree        TREE nodes, below them SNOD nodes: for each member its name and its header

The library that everyone reads such files with does more than is good for files of strangers: it
is C, follows links and arrays into other files of the machine, unpacks arrays of any size, and
loads code for what it cannot unpack. So it is not used. Every place is compared with the file's
end, no more is visited than a file of weights has, and no bytes are two arrays'.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import torch
from torch import Tensor

from stemsplit.checkpoints.zip_archive import open_archive
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular, read_regular
from stemsplit.quoting import quoted, reason

MAX_BYTES = 1 << 30
"""Of a file, and of what a zip file has of them."""
MAX_EXPANSION = 8
"""How many times its own size a zip file may hold, beyond a megabyte: weights hardly shrink."""
SUFFIX = ".h5"

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BASE, _ROOT_HEADER = 24, 64
"""Where the superblock has the address of the file's beginning, and that of the root group."""
_MAX_VISITS = 1 << 18
"""Nodes and messages: a file of weights has about ten for each array."""
_MAX_DEPTH = 32
_MAX_AXES = 8
_MAX_PATH_CHARACTERS = 512
_SHAPE, _TYPE, _EXTERNAL, _LAYOUT, _CONTINUATION, _GROUP = 0x01, 0x03, 0x07, 0x08, 0x10, 0x11
_SHARED = 2
_TYPES = {
    bytes.fromhex("1120 1f00 04000000 0000 2000 17 08 00 17 7f000000"): "<f4",
    bytes.fromhex("1120 3f00 08000000 0000 4000 34 0b 00 34 ff030000"): "<f8",
}
"""The numbers of IEEE 754, the smallest byte first: size, and which bits are what."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_Messages = Mapping[int, memoryview]


def read_hdf5(path: Path) -> dict[str, Tensor]:
    """The arrays of a `.h5` file by their paths, such as `group/name`: float32 or float64.

    Raises:
        CheckpointError: it is damaged, no such file, or has what is not read here.
    """
    try:
        return _Reader(read_regular(path, MAX_BYTES)).arrays()
    except (OSError, ValueError) as error:
        raise _damaged(path, "HDF5 file", error) from error


def read_hdf5_archive(path: Path) -> dict[str, Tensor]:
    """The arrays of all `.h5` files in a zip file, each by its path in its own file.

    Raises:
        CheckpointError: one of them cannot be read, there is none, or two have an array of one
            name.
    """
    tensors: dict[str, Tensor] = {}
    try:
        with open_regular(path) as file, open_archive(file) as archive:
            entries = [entry for entry in archive.infolist() if _is_hdf5(entry.filename)]
            limit = min(MAX_BYTES, (1 << 20) + MAX_EXPANSION * path.stat().st_size)
            if not entries:
                raise ValueError(f"it has no file *{SUFFIX}")
            if sum(entry.file_size for entry in entries) > limit:
                raise ValueError("its files are far larger than itself")
            if any(entry.compress_type not in _METHODS for entry in entries):
                raise ValueError("its files are not packed as zip files usually are")
            for entry in entries:
                with archive.open(entry) as packed:
                    arrays = _Reader(_all_of(packed, entry.file_size)).arrays()
                if doubled := sorted(arrays.keys() & tensors.keys()):
                    raise ValueError(f"several of its files have {quoted(doubled[0])}")
                tensors |= arrays
    except (OSError, EOFError, ValueError, LookupError, RuntimeError) as error:
        raise _damaged(path, f"zip file of *{SUFFIX}", error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, f"zip file of *{SUFFIX}", error) from error
    return tensors


def _is_hdf5(name: str) -> bool:
    # Archives made on a Mac have a file `._NAME` about each file.
    return name.endswith(SUFFIX) and not PurePosixPath(name).name.startswith(".")


def _all_of(packed: IO[bytes], num_bytes: int) -> bytes:
    content = packed.read(num_bytes)
    if len(content) < num_bytes:
        raise ValueError("the end of a file in it is missing")
    return content


def _damaged(path: Path, kind: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a readable {kind} ({reason(error)}).", hint="Download or copy it again."
    )


class _Reader:
    """One file; whatever in it is not as it should be is a ValueError."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._num_visits_left = _MAX_VISITS
        self._num_bytes_left = len(content)

    def arrays(self) -> dict[str, Tensor]:
        if self._piece(0, 8) != _SIGNATURE:
            raise ValueError("it does not begin as one")
        version, *_, address_bytes, length_bytes = self._piece(8, 7)
        if version != 0 or (address_bytes, length_bytes) != (8, 8) or self._number(_BASE):
            raise ValueError(f"its superblock, of version {version}, is not of the first kind")
        return dict(self._below("", self._number(_ROOT_HEADER), _MAX_DEPTH))

    def _below(self, path: str, address: int, depth: int) -> Iterator[tuple[str, Tensor]]:
        """The arrays of the object whose header is at `address`: its own, or a group's."""
        if depth == 0:
            raise ValueError(f"its groups are nested more than {_MAX_DEPTH} deep")
        messages = self._messages(address)
        if _GROUP not in messages:
            yield path, self._array(path, messages)
            return
        tree, heap = _numbers(messages[_GROUP], 2)
        for name, member in self._members(tree, self._names(heap), depth):
            below = f"{path}/{name}" if path else name
            if len(below) > _MAX_PATH_CHARACTERS:
                raise ValueError(f"a name has {len(below)} characters")
            yield from self._below(below, member, depth - 1)

    def _members(self, address: int, names: memoryview, depth: int) -> Iterator[tuple[str, int]]:
        """Names and headers of a group's members, from the node at `address` of its tree."""
        self._visit()
        kind = bytes(self._piece(address, 4))
        if kind == b"SNOD":
            (count,) = struct.unpack("<H", self._piece(address + 6, 2))
            for index in range(count):
                name, header = _numbers(self._piece(address + 8 + 40 * index, 16), 2)
                yield _text(names, name), header
        elif kind == b"TREE" and depth:
            (count,) = struct.unpack("<H", self._piece(address + 6, 2))
            for index in range(count):
                below = self._number(address + 32 + 16 * index)
                yield from self._members(below, names, depth - 1)
        else:
            raise ValueError("a group has no readable list of members")

    def _names(self, address: int) -> memoryview:
        """The piece of the file that has the names of a group's members."""
        if bytes(self._piece(address, 4)) != b"HEAP":
            raise ValueError("a group has no names for its members")
        return self._piece(self._number(address + 24), self._number(address + 8))

    def _messages(self, address: int) -> _Messages:
        """What the header at `address` says, by kind; of several of a kind the last."""
        self._visit()
        version, _, num_left, _, num_bytes = struct.unpack("<BBHII", self._piece(address, 12))
        if version != 1:
            raise ValueError(f"a header has the version {version}, and only 1 is read")
        found: dict[int, memoryview] = {}
        pieces = [self._piece(address + 16, num_bytes)]
        for piece in pieces:  # to which continuations are added
            position = 0
            while num_left and position + 8 <= len(piece):
                kind, size, flags = struct.unpack_from("<HHB", piece, position)
                body = piece[position + 8 : position + 8 + size]
                position += 8 + size
                num_left -= 1
                self._visit()
                if kind == _CONTINUATION:
                    pieces.append(self._piece(*_numbers(body, 2)))
                elif flags & _SHARED and kind in (_SHAPE, _TYPE, _LAYOUT):
                    raise ValueError("an array is described elsewhere")
                else:
                    found[kind] = body
        return found

    def _array(self, path: str, messages: _Messages) -> Tensor:
        if not messages.keys() >= {_SHAPE, _TYPE, _LAYOUT} or _EXTERNAL in messages:
            raise ValueError(f"{quoted(path)} is neither a group nor an array in this file")
        kind = _TYPES.get(bytes(messages[_TYPE][:20]))
        if kind is None:
            raise ValueError(f"{quoted(path)} is not of float32 or float64")
        shape = _shape(messages[_SHAPE])
        layout = messages[_LAYOUT]
        if bytes(layout[:2]) != b"\3\1":
            raise ValueError(f"{quoted(path)} is packed, or in several pieces")
        address, num_bytes = _numbers(layout[2:], 2)
        if not num_bytes or num_bytes != math.prod(shape) * np.dtype(kind).itemsize:
            raise ValueError(f"{quoted(path)} has {num_bytes} bytes")
        self._num_bytes_left -= num_bytes
        if self._num_bytes_left < 0:
            raise ValueError("its arrays are larger than itself")
        content = bytearray(self._piece(address, num_bytes))
        return torch.from_numpy(np.frombuffer(content, kind).reshape(shape))

    def _visit(self) -> None:
        self._num_visits_left -= 1
        if self._num_visits_left < 0:
            raise ValueError(f"more than {_MAX_VISITS} places in it would have to be visited")

    def _number(self, address: int) -> int:
        return _numbers(self._piece(address, 8), 1)[0]

    def _piece(self, address: int, num_bytes: int) -> memoryview:
        if address + num_bytes > len(self._content):
            raise ValueError("something in it lies beyond its end")
        return self._content[address : address + num_bytes]


def _shape(message: memoryview) -> tuple[int, ...]:
    if len(message) < 2:
        raise ValueError("an array has no shape")
    version, num_axes = message[:2]
    if version not in (1, 2) or num_axes > _MAX_AXES:
        raise ValueError(f"an array has {num_axes} axes, described in version {version}")
    return _numbers(message[8 if version == 1 else 4 :], num_axes)


def _numbers(data: memoryview, count: int) -> tuple[int, ...]:
    if len(data) < 8 * count:
        raise ValueError("a number in it is cut short")
    return struct.unpack_from(f"<{count}Q", data)


def _text(names: memoryview, position: int) -> str:
    name, end, _ = bytes(names[position : position + _MAX_PATH_CHARACTERS + 1]).partition(b"\0")
    if not name or not end:
        raise ValueError("a name is empty, or too long")
    return name.decode()
