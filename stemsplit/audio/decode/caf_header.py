"""The headers of CAF (Apple's Core Audio Format) and of AU (Sun's and NeXT's)."""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from stemsplit.audio.containers.chunks import CAF, read_chunk, walk_chunks
from stemsplit.audio.decode.linear import (
    LinearAudio,
    LinearFormat,
    Samples,
    UnclearHeaderError,
    settle,
)

MAGIC = (b"caff", b".snd")

_CAF_HEADER_BYTES = 8
_EDIT_COUNT_BYTES = 4
_IS_FLOAT, _IS_LITTLE_ENDIAN = 1, 2

# AU's numbers for linear samples of 8, 16, 24 and 32 bits, and for floats.
_AU_BITS = {2: 8, 3: 16, 4: 24, 5: 32, 6: 32, 7: 64}
_AU_FLOATS = (6, 7)
_UNKNOWN = 0xFFFF_FFFF


def read_caf_header(file: BinaryIO) -> LinearAudio | None:
    """The linear PCM in a file; None if it is another kind of file, or of samples.

    Raises:
        UnclearHeaderError: the header contradicts itself.
    """
    file.seek(0)
    if file.read(4) != b"caff":
        return None
    form, data = None, None
    for chunk in walk_chunks(file, CAF, _CAF_HEADER_BYTES):
        if chunk.name == b"desc" and form is None:
            form = _caf_format(read_chunk(file, chunk, 32))
        elif chunk.name == b"data" and data is None:
            data = chunk
        if form and data:
            break
    if form is None or data is None:
        return None
    return settle(
        file,
        form,
        CAF,
        start=data.start + _EDIT_COUNT_BYTES,
        stated=data.num_bytes if data.num_bytes <= 0 else data.num_bytes - _EDIT_COUNT_BYTES,
    )


def _caf_format(content: bytes) -> LinearFormat | None:
    if len(content) < 32:
        return None
    rate, kind, flags, packet_bytes, frames, num_channels, num_bits = struct.unpack(
        ">d4sIIIII", content
    )
    num_bytes = (num_bits + 7) // 8
    if kind != b"lpcm" or not num_channels or not math.isfinite(rate) or not 1 <= rate < 2**31:
        return None
    if frames != 1 or packet_bytes != num_channels * num_bytes:
        # Nothing tells on which side of a larger box the bits lie.
        raise UnclearHeaderError(
            f"{num_bits} bits a sample, and {packet_bytes} bytes for {num_channels} channels"
        )
    samples = Samples(
        kind="float" if flags & _IS_FLOAT else "signed",
        num_bits=num_bits,
        num_bytes=num_bytes,
        byte_order="<" if flags & _IS_LITTLE_ENDIAN else ">",
    )
    if not samples.is_known:
        return None
    return LinearFormat(
        container="caf", samples=samples, num_channels=num_channels, sample_rate=round(rate)
    )


def read_au_header(file: BinaryIO) -> LinearAudio | None:
    """The same for AU."""
    file.seek(0)
    head = file.read(24)
    if len(head) < 24 or head[:4] != b".snd":
        return None
    start, stated, encoding, rate, num_channels = struct.unpack(">IIIII", head[4:])
    if encoding not in _AU_BITS or not num_channels or not rate or start < 24:
        return None
    samples = Samples(
        kind="float" if encoding in _AU_FLOATS else "signed",
        num_bits=_AU_BITS[encoding],
        num_bytes=_AU_BITS[encoding] // 8,
        byte_order=">",
    )
    form = LinearFormat(
        container="au", samples=samples, num_channels=num_channels, sample_rate=rate
    )
    return settle(file, form, None, start=start, stated=stated)
