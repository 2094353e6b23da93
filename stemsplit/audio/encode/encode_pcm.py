"""WAV and AIFF, with samples as they are.

They are written here rather than by libsndfile for three reasons: libsndfile puts the time of day
into the header of float files (the PEAK chunk), so the same song would not give the same bytes
twice; it hides the reason when a disk is full; and the size is known, so RF64 can be decided at
the start.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from stemsplit.audio.formats import StreamFormat

# The sizes in a RIFF header have 32 bits.
RIFF_LIMIT_BYTES = 0xFFFF_FFFF

_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SIZE_IN_DS64 = 0xFFFF_FFFF
# What follows the format's number in the GUIDs of WAVE_FORMAT_EXTENSIBLE.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

# Bits of the channel mask, in the order in which the channels must come. CoreAudio's layout
# bitmap, which AIFF uses, has the same ones.
_SPEAKERS = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
_USE_CHANNEL_BITMAP = 1 << 16

_AIFC_VERSION = 0xA2805140


class PcmEncoder:
    """A header, the samples, and a byte of padding if their number is odd."""

    def __init__(
        self, path: Path, form: StreamFormat, header: bytes, byte_order: Literal["<", ">"]
    ) -> None:
        self._is_float = form.encoding.is_float
        self._num_bytes = form.encoding.num_bits // 8
        self._byte_order = byte_order
        # Chunks have even lengths.
        self._padding = bytes(form.num_data_bytes % 2)
        self._file = path.open("xb")
        try:
            self._file.write(header)
        except BaseException:
            self._file.close()
            raise

    def write(self, samples: Tensor) -> None:
        interleaved = np.ascontiguousarray(samples.numpy().T)  # [T, C]
        if self._is_float:
            self._file.write(interleaved.astype(self._byte_order + "f4").tobytes())
            return
        octets = interleaved.astype(self._byte_order + "i4").view(np.uint8).reshape(-1, 4)
        # The low bytes of a 32 bit integer are the shorter integer.
        low = (
            octets[:, : self._num_bytes]
            if self._byte_order == "<"
            else (octets[:, 4 - self._num_bytes :])
        )  # [T * C, bytes]
        self._file.write(low.tobytes())

    def close(self) -> None:
        with self._file:
            self._file.write(self._padding)


def open_wav(path: Path, form: StreamFormat) -> PcmEncoder:
    """WAV, or RF64 (EBU Tech 3306) where the sizes would not fit the RIFF header."""
    return PcmEncoder(path, form, _wav_header(form), "<")


def open_aiff(path: Path, form: StreamFormat) -> PcmEncoder:
    """AIFF for integers; AIFF-C, its extension, for float."""
    return PcmEncoder(path, form, _aiff_header(form), ">")


def _wav_header(form: StreamFormat) -> bytes:
    data_bytes = form.num_data_bytes
    body = _chunk("<", b"fmt ", _wav_format(form))
    if form.encoding.is_float:
        body += _chunk("<", b"fact", struct.pack("<I", min(form.num_samples, _SIZE_IN_DS64)))
    riff_bytes = len(b"WAVE") + len(body) + 8 + data_bytes + data_bytes % 2
    if riff_bytes <= RIFF_LIMIT_BYTES:
        start = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
        return start + body + struct.pack("<4sI", b"data", data_bytes)
    ds64_bytes = 8 + 28
    sizes = struct.pack("<QQQI", riff_bytes + ds64_bytes, data_bytes, form.num_samples, 0)
    start = struct.pack("<4sI4s", b"RF64", _SIZE_IN_DS64, b"WAVE") + _chunk("<", b"ds64", sizes)
    return start + body + struct.pack("<4sI", b"data", _SIZE_IN_DS64)


def _wav_format(form: StreamFormat) -> bytes:
    tag = _IEEE_FLOAT if form.encoding.is_float else _PCM
    num_bits = form.encoding.num_bits
    frame_bytes = form.num_channels * num_bits // 8
    is_extensible = form.num_channels > 2
    layout = struct.pack(
        "<HHIIHH",
        _EXTENSIBLE if is_extensible else tag,
        form.num_channels,
        form.sample_rate,
        form.sample_rate * frame_bytes,
        frame_bytes,
        num_bits,
    )
    if is_extensible:
        extension = struct.pack("<HIH", num_bits, _channel_mask(form.channels), tag) + _GUID_TAIL
        return layout + struct.pack("<H", len(extension)) + extension
    # Everything but integer PCM states the size of an extension: none.
    return layout + (b"" if tag == _PCM else bytes(2))


def _aiff_header(form: StreamFormat) -> bytes:
    common = struct.pack(
        ">hIh10s",
        form.num_channels,
        form.num_samples,
        form.encoding.num_bits,
        _extended(form.sample_rate),
    )
    body = b""
    if form.encoding.is_float:
        common += b"fl32" + bytes(2)  # its name as a Pascal string: none, padded
        body += _chunk(">", b"FVER", struct.pack(">I", _AIFC_VERSION))
    body += _chunk(">", b"COMM", common)
    mask = _channel_mask(form.channels)
    if form.num_channels > 2 and mask:
        body += _chunk(">", b"CHAN", struct.pack(">III", _USE_CHANNEL_BITMAP, mask, 0))
    data_bytes = form.num_data_bytes
    # Offset and block size, for devices that read whole blocks: none.
    body += struct.pack(">4sI", b"SSND", 8 + data_bytes) + bytes(8)
    form_bytes = 4 + len(body) + data_bytes + data_bytes % 2
    return (
        struct.pack(">4sI4s", b"FORM", form_bytes, b"AIFC" if form.encoding.is_float else b"AIFF")
        + body
    )


def _extended(value: int) -> bytes:
    """A positive integer as IEEE 754 extended precision, 80 bits with an explicit leading one."""
    num_bits = value.bit_length()
    return struct.pack(">HQ", 16383 + num_bits - 1, value << (64 - num_bits))


def _channel_mask(channels: tuple[str, ...]) -> int:
    """The speakers as bits; 0 if one is unknown, or if they are not in the order of the bits."""
    if any(name not in _SPEAKERS for name in channels):
        return 0
    bits = [_SPEAKERS.index(name) for name in channels]
    return sum(1 << bit for bit in bits) if bits == sorted(set(bits)) else 0


def _chunk(byte_order: Literal["<", ">"], name: bytes, content: bytes) -> bytes:
    return struct.pack(byte_order + "4sI", name, len(content)) + content
