"""Checkpoints of TensorFlow, written from the published formats; see `checkpoints.tensorflow_file`.

Blocks are small, so that there are several, and keys begin anew at every third entry.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

INDEX, DATA = "model.index", "model.data-00000-of-00001"
_RESTART_INTERVAL = 3


@dataclass(frozen=True, kw_only=True)
class Oddities:
    """What a file may have that is not as it should be."""

    num_shards: int = 1
    endianness: int = 0
    compression: int = 0
    magic: int = 0xDB4775248B80FB57
    block_bytes: int = 200
    more_bytes: int = 0
    """That each variable claims to have."""


def varint(number: int) -> bytes:
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    data, restarts, before = bytearray(), [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % _RESTART_INTERVAL:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        else:
            restarts.append(len(data))
        data += varint(shared) + varint(len(key) - shared) + varint(len(value))
        data += key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(data) + b"".join(struct.pack("<I", each) for each in (*restarts, len(restarts)))


def table(entries: Mapping[bytes, bytes], odd: Oddities) -> bytes:
    """A sorted table; checksums, which nobody looks at, are zeros."""
    file, handles = bytearray(), []
    trailer = bytes([odd.compression]) + bytes(4)

    def add(content: bytes) -> bytes:
        handle = varint(len(file)) + varint(len(content))
        file.extend(content + trailer)
        return handle

    waiting: list[tuple[bytes, bytes]] = []
    for key in sorted(entries):
        waiting.append((key, entries[key]))
        if sum(len(k) + len(v) for k, v in waiting) > odd.block_bytes:
            handles.append((key, add(block(waiting))))
            waiting = []
    if waiting:
        handles.append((waiting[-1][0], add(block(waiting))))
    footer = add(block([])) + add(block(handles))
    return bytes(file) + footer.ljust(40, b"\0") + struct.pack("<Q", odd.magic)


def checkpoint(tensors: Mapping[str, Tensor], odd: Oddities = Oddities()) -> dict[str, bytes]:
    """The files of a checkpoint of float32 tensors, by name."""
    data = bytearray()
    header = field(1, odd.num_shards) + field(2, odd.endianness) + field(3, field(1, 1))
    entries = {b"": header}
    for name, tensor in tensors.items():
        content = tensor.contiguous().numpy().astype("<f4").tobytes()
        shape = b"".join(field(2, field(1, size)) for size in tensor.shape)
        entry = field(1, 1) + field(2, shape) + field(4, len(data))
        entry += field(5, len(content) + odd.more_bytes) + varint(6 << 3 | 5) + bytes(4)
        entries[name.encode()] = entry
        data += content
    return {INDEX: table(entries, odd), DATA: bytes(data)}


def archive(files: Mapping[str, bytes]) -> bytes:
    """A `.tar.gz` of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
