"""The headers of AIFF and of AIFF-C, its extension (Apple, 1989 and 1991)."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import BinaryIO, Literal

from stemsplit.audio.containers.chunks import AIFF, FileChunk, read_chunk, walk_chunks
from stemsplit.audio.decode.linear import (
    MIN_SOUND_SECONDS,
    LinearAudio,
    LinearFormat,
    Samples,
    is_placeholder,
    settle,
)

MAGIC = (b"FORM",)

_PREFACE_BYTES = 8

Kind = Literal["unsigned", "signed", "float"]
# What AIFF-C calls linear samples: their kind, and the byte order.
_COMPRESSIONS: dict[bytes, tuple[Kind, Literal["<", ">"]]] = {
    b"NONE": ("signed", ">"),
    b"twos": ("signed", ">"),
    b"in24": ("signed", ">"),
    b"in32": ("signed", ">"),
    b"sowt": ("signed", "<"),
    b"42ni": ("signed", "<"),
    b"23ni": ("signed", "<"),
    b"raw ": ("unsigned", ">"),
    b"fl32": ("float", ">"),
    b"FL32": ("float", ">"),
    b"fl64": ("float", ">"),
    b"FL64": ("float", ">"),
}
_BITS = {b"in24": 24, b"42ni": 24, b"in32": 32, b"23ni": 32}
_BITS |= {b"fl32": 32, b"FL32": 32, b"fl64": 64, b"FL64": 64}


def read_aiff_header(file: BinaryIO) -> LinearAudio | None:
    """The linear PCM in a file; None if it is another kind of file, or of samples."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"FORM" or head[8:] not in (b"AIFF", b"AIFC"):
        return None
    common, sound = None, None
    for chunk in walk_chunks(file, AIFF, 12):
        if chunk.name == b"COMM" and common is None:
            common = read_chunk(file, chunk, 22)
        elif chunk.name == b"SSND" and sound is None:
            sound = chunk
        if common and sound:
            break
    if common is None or sound is None:
        return None
    form = _format(common, is_extended=head[8:] == b"AIFC")
    return None if form is None else _settle(file, form, common, sound)


def _settle(
    file: BinaryIO, form: LinearFormat, common: bytes, sound: FileChunk
) -> LinearAudio | None:
    """Two places say how long the sound is: where one is a placeholder, the other one knows."""
    file.seek(sound.start)
    preface = file.read(_PREFACE_BYTES)
    if len(preface) < _PREFACE_BYTES:
        return None
    offset = struct.unpack(">I", preface[:4])[0]
    start = sound.start + _PREFACE_BYTES + offset
    stated = max(0, sound.num_bytes - _PREFACE_BYTES - offset)
    num_frames = struct.unpack(">I", common[2:6])[0]
    counted = -1 if num_frames and is_placeholder(num_frames) else num_frames * form.frame_bytes
    if is_placeholder(stated) or is_placeholder(sound.num_bytes):
        return settle(file, form, AIFF, start=start, stated=counted)
    audio = settle(file, form, AIFF, start=start, stated=stated)
    # The sound may be padded to whole blocks.
    if 0 <= counted <= stated < counted + form.sample_rate * form.frame_bytes * MIN_SOUND_SECONDS:
        there = audio.extents[0][1]
        return replace(audio, extents=((start, min(counted, there)),), num_frames=num_frames)
    return audio


def _format(common: bytes, *, is_extended: bool) -> LinearFormat | None:
    if len(common) < (22 if is_extended else 18):
        return None
    num_channels, _, num_bits = struct.unpack_from(">HIH", common)
    compression = common[18:22] if is_extended else b"NONE"
    rate = _extended(common[8:18])
    if compression not in _COMPRESSIONS or not num_channels or not rate:
        return None
    kind, byte_order = _COMPRESSIONS[compression]
    num_bits = _BITS.get(compression, num_bits)
    samples = Samples(
        kind=kind, num_bits=num_bits, num_bytes=(num_bits + 7) // 8, byte_order=byte_order
    )
    if not samples.is_known:
        return None
    return LinearFormat(
        container="aiff", samples=samples, num_channels=num_channels, sample_rate=rate
    )


def _extended(octets: bytes) -> int:
    """A positive number of 80 bits (IEEE 754 extended precision), rounded; 0 if it is no rate."""
    exponent, mantissa = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big")
    num_fraction_bits = 63 - (exponent - 16383)
    if not 32 <= num_fraction_bits <= 63:
        return 0
    return (mantissa + (1 << num_fraction_bits - 1)) >> num_fraction_bits
