"""The headers of WAV: RIFF and its big-endian RIFX, RF64 and BW64 beyond 4 GiB, and Sony's W64.

(Microsoft, "Multiple channel audio data and WAVE files"; EBU Tech 3306; ITU-R BS.2088.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

from stemsplit.audio.containers.chunks import RIFF, RIFX, W64, ChunkStyle, read_chunk, walk_chunks
from stemsplit.audio.decode.linear import (
    LinearAudio,
    LinearFormat,
    Samples,
    UnclearHeaderError,
    settle,
)

MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff")

_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SIZE_IN_DS64 = 0xFFFF_FFFF
# What follows the format's number in the GUIDs of WAVE_FORMAT_EXTENSIBLE: its own, and B-format's.
_GUID_TAILS = (
    bytes.fromhex("000000001000800000aa00389b71"),
    bytes.fromhex("00002107d3118644c8c1ca000000"),
)
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_WAVE = b"wave" + bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, slots=True)
class _Container:
    """How a relative of WAV is written. `body`: where its chunks start."""

    name: str
    style: ChunkStyle
    body: int
    byte_order: Literal["<", ">"] = "<"


def read_wav_header(file: BinaryIO) -> LinearAudio | None:
    """The linear PCM in a file; None if it is another kind of file, or of samples.

    Raises:
        UnclearHeaderError: the header contradicts itself.
    """
    container = _container(file)
    if container is None:
        return None
    form, data, large_bytes = None, None, None
    for chunk in walk_chunks(file, container.style, container.body):
        name = chunk.name[:4]
        if name == b"fmt " and form is None:
            form = _format(container, read_chunk(file, chunk, 40))
        elif name == b"ds64" and large_bytes is None:
            large_bytes = _data_bytes(read_chunk(file, chunk, 16))
        elif name == b"data" and data is None:
            data = chunk
        if form and data:
            break
    if form is None or data is None:
        return None
    stated = data.num_bytes
    if large_bytes is not None and stated == _SIZE_IN_DS64:
        stated = large_bytes
    return settle(file, form, container.style, start=data.start, stated=stated)


def _container(file: BinaryIO) -> _Container | None:
    file.seek(0)
    head = file.read(40)
    if head[:16] == _W64_RIFF and head[24:] == _W64_WAVE:
        return _Container("w64", W64, 40)
    if head[8:12] != b"WAVE":
        return None
    if head[:4] == b"RIFX":
        return _Container("wav", RIFX, 12, ">")
    names = {b"RIFF": "wav", b"RF64": "rf64", b"BW64": "rf64"}
    name = names.get(head[:4])
    return None if name is None else _Container(name, RIFF, 12)


def _format(container: _Container, content: bytes) -> LinearFormat | None:
    order = container.byte_order
    if len(content) < 16:
        return None
    tag, num_channels, rate, rate_bytes, frame_bytes, num_bits = struct.unpack_from(
        f"{order}HHIIHH", content
    )
    name = container.name
    if tag == _EXTENSIBLE:
        if len(content) < 40 or content[26:] not in _GUID_TAILS:
            return None
        valid_bits, _, tag = struct.unpack_from(f"{order}HIH", content, 18)
        name = "wavex" if name == "wav" else name
    else:
        valid_bits = 0
    if tag not in (_PCM, _IEEE_FLOAT) or not num_channels or not rate:
        return None
    num_bytes = _sample_bytes(num_channels, rate, rate_bytes, frame_bytes, num_bits)
    kind: Literal["unsigned", "signed", "float"] = "unsigned" if num_bytes == 1 else "signed"
    samples = Samples(
        kind="float" if tag == _IEEE_FLOAT else kind,
        num_bits=valid_bits if 0 < valid_bits < num_bits else num_bits,
        num_bytes=num_bytes,
        byte_order=order,
    )
    if not samples.is_known:
        return None
    return LinearFormat(
        container=name, samples=samples, num_channels=num_channels, sample_rate=rate
    )


def _sample_bytes(
    num_channels: int, rate: int, rate_bytes: int, frame_bytes: int, num_bits: int
) -> int:
    """How many bytes a sample takes, on which two of three fields of the header have to agree.

    These are the bits of a sample, the bytes of a frame and those of a second. Some programs fill
    one of the latter two in wrongly, and samples may lie in boxes larger than themselves.

    Raises:
        UnclearHeaderError: no two agree.
    """
    packed = (num_bits + 7) // 8
    boxed, rest = divmod(frame_bytes, num_channels)
    if packed and (frame_bytes == packed * num_channels or rate_bytes == rate * frame_bytes == 0):
        return packed
    if packed and rate_bytes == rate * num_channels * packed:
        return packed
    if rest == 0 and boxed > packed > 1 and rate_bytes == rate * frame_bytes:
        return boxed
    raise UnclearHeaderError(
        f"{num_bits} bits a sample, {frame_bytes} bytes for one of each of {num_channels} "
        f"channels, and {rate_bytes} bytes a second at {rate} Hz"
    )


def _data_bytes(ds64: bytes) -> int | None:
    return struct.unpack_from("<q", ds64, 8)[0] if len(ds64) >= 16 else None
