"""WavPack: holes between its blocks (WavPack file format, version 4 and 5).

ffmpeg gives up at the first thing that is no block. It is shown one in the place of each hole,
which it cannot decode, and then goes on.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from stemsplit.audio.screening.headers import Headers

_MAGIC = re.compile(rb"wvpk")
_HEADER = struct.Struct("<4sIH")
_HEADER_BYTES = 32
_BEFORE_SIZE = 8
_MAX_BLOCK_BYTES = 1 << 20
_VERSIONS = range(0x402, 0x411)
# Half a second is usual. ffmpeg sets memory aside for as many as there are said to be.
_MAX_BLOCK_SAMPLES = 1 << 20


class _Block(NamedTuple):
    position: int
    end: int
    header: bytes


def check_wavpack(headers: Headers) -> None:
    """Shows readers a block in the place of each hole that has blocks behind it."""
    last: _Block | None = None
    position = headers.start
    while position < headers.size:
        block = _block(headers, position)
        if block is None:
            if last is None:
                return
            block = _next_block(headers, position + 1)
            if block is None:
                return
            _cover(headers, last, position, block.position)
        last, position = block, block.end


def _block(headers: Headers, position: int) -> _Block | None:
    header = headers.at(position, _HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return None
    magic, num_bytes, version = _HEADER.unpack_from(header)
    is_block = (
        magic == b"wvpk"
        and version in _VERSIONS
        and _HEADER_BYTES - _BEFORE_SIZE <= num_bytes <= _MAX_BLOCK_BYTES
        and int.from_bytes(header[20:24], "little") <= _MAX_BLOCK_SAMPLES
    )
    return _Block(position, position + _BEFORE_SIZE + num_bytes, header) if is_block else None


def _next_block(headers: Headers, position: int) -> _Block | None:
    for found in headers.find(_MAGIC, position):
        block = _block(headers, found)
        if block is not None:
            return block
    return None


def _cover(headers: Headers, last: _Block, start: int, end: int) -> None:
    while start < end:
        num_bytes = min(end - start, _MAX_BLOCK_BYTES // 2)
        if 0 < end - start - num_bytes < _HEADER_BYTES:
            num_bytes //= 2
        if num_bytes < _HEADER_BYTES:  # the block before becomes so much longer
            size = end - last.position - _BEFORE_SIZE
            headers.hide([(last.position + 4, struct.pack("<I", size))])
            return
        size = num_bytes - _BEFORE_SIZE
        headers.hide([(start, last.header[:4] + struct.pack("<I", size) + last.header[8:])])
        start += num_bytes
