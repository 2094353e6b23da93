"""Samples to bytes: exact quantisation, and the encoders of the output formats.

WAV is written here rather than by libsndfile for three reasons: libsndfile puts the time of day
into the header of float files (the PEAK chunk), so the same song would not give the same bytes
twice; it hides the reason when a disk is full; and the size is known, so RF64 can be decided at
the start.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import soundfile
import torch
from torch import Tensor

from stemsplit.errors import UsageError

Container = Literal["wav", "flac"]
Subtype = Literal["16", "24", "32f"]

# The sizes in a RIFF header have 32 bits.
RIFF_LIMIT_BYTES = 0xFFFF_FFFF

_PCM, _IEEE_FLOAT = 1, 3
_SIZE_IN_DS64 = 0xFFFF_FFFF

_SPOOL_SAMPLES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How samples are stored: 16 or 24 bit integers, or 32 bit float (WAV only)."""

    container: Container = "wav"
    subtype: Subtype = "24"

    def __post_init__(self) -> None:
        if self.container not in get_args(Container):
            raise UsageError(
                f"Unknown output format {self.container!r}.",
                hint=f"Choose one of: {', '.join(get_args(Container))}.",
            )
        if self.subtype not in get_args(Subtype):
            raise UsageError(
                f"Unknown bit depth {self.subtype!r}.",
                hint=f"Choose one of: {', '.join(get_args(Subtype))}.",
            )
        if self.container == "flac" and self.is_float:
            raise UsageError(
                "FLAC stores integers only, so it cannot hold 32 bit float.",
                hint="Use wav for float, or 24 bits for FLAC.",
            )

    @property
    def is_float(self) -> bool:
        return self.subtype == "32f"

    @property
    def num_bits(self) -> int:
        """Bits per stored sample."""
        return 32 if self.is_float else int(self.subtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamFormat:
    """All that an encoder must know before the first sample."""

    encoding: Encoding
    sample_rate: int
    num_channels: int
    num_samples: int


class Encoder(Protocol):
    """Writes one file, front to back."""

    def write(self, samples: Tensor) -> None:
        """Appends [C, T]: float32 for float encodings, else int32 as `quantise` gives it."""

    def close(self) -> None: ...


def quantise(samples: Tensor, num_bits: int) -> tuple[Tensor, int]:
    """Integers (int32) that stand for the samples, and how many of them had to be cut.

    x becomes round(x * 2^(bits - 1)), so that what was read from a file of that depth is written
    back bit for bit; the product is exact in float32. Values past the largest integer saturate.
    """
    full_scale = 2 ** (num_bits - 1)
    scaled = np.rint(samples.numpy() * np.float32(full_scale))
    kept = scaled.clip(-full_scale, full_scale - 1)
    return torch.from_numpy(kept.astype(np.int32)), int(np.count_nonzero(scaled != kept))


def open_encoder(path: Path, form: StreamFormat) -> Encoder:
    """An encoder for a file that must not exist yet.

    Raises:
        OSError, soundfile.LibsndfileError: the file cannot be made.
    """
    if form.encoding.container == "wav":
        return WavEncoder(path, form)
    if form.num_samples == 0:
        return EmptyFlac(path, form)
    return FlacEncoder(path, form)


class Spool:
    """Raw float32 samples, interleaved, to be read back by `read_spool`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")

    def write(self, samples: Tensor) -> None:
        self._file.write(samples.numpy().T.tobytes())

    def close(self) -> None:
        self._file.close()


def read_spool(path: Path, num_channels: int) -> Iterator[Tensor]:
    """What was written to the spool, in blocks [C, T]."""
    with path.open("rb") as file:
        while data := file.read(_SPOOL_SAMPLES * num_channels * 4):
            samples = np.frombuffer(data, dtype=np.float32).reshape(-1, num_channels)  # [T, C]
            yield torch.tensor(samples).T  # [C, T]


class WavEncoder:
    """WAV, or RF64 (EBU Tech 3306) where the sizes would not fit the RIFF header."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        self._is_float = form.encoding.is_float
        self._num_bytes = form.encoding.num_bits // 8
        data_bytes = form.num_samples * form.num_channels * self._num_bytes
        # Chunks have even lengths.
        self._padding = bytes(data_bytes % 2)
        self._file = path.open("xb")
        try:
            self._file.write(_wav_header(form, data_bytes))
        except BaseException:
            self._file.close()
            raise

    def write(self, samples: Tensor) -> None:
        interleaved = np.ascontiguousarray(samples.numpy().T)  # [T, C]
        if self._is_float:
            self._file.write(interleaved.astype("<f4").tobytes())
        else:
            # The low bytes of little-endian 32 bit integers are the shorter integers.
            octets = interleaved.astype("<i4").view(np.uint8).reshape(-1, 4)  # [T * C, 4]
            self._file.write(octets[:, : self._num_bytes].tobytes())

    def close(self) -> None:
        with self._file:
            self._file.write(self._padding)


def _wav_header(form: StreamFormat, data_bytes: int) -> bytes:
    tag = _IEEE_FLOAT if form.encoding.is_float else _PCM
    frame_bytes = form.num_channels * form.encoding.num_bits // 8
    layout = struct.pack(
        "<HHIIHH",
        tag,
        form.num_channels,
        form.sample_rate,
        form.sample_rate * frame_bytes,
        frame_bytes,
        form.encoding.num_bits,
    )
    # Everything but integer PCM states the size of an extension (none) and the frame count.
    body = _chunk(b"fmt ", layout + (b"" if tag == _PCM else bytes(2)))
    if tag != _PCM:
        body += _chunk(b"fact", struct.pack("<I", min(form.num_samples, _SIZE_IN_DS64)))
    riff_bytes = len(b"WAVE") + len(body) + 8 + data_bytes + data_bytes % 2
    if riff_bytes <= RIFF_LIMIT_BYTES:
        start = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
        return start + body + struct.pack("<4sI", b"data", data_bytes)
    ds64_bytes = 8 + 28
    sizes = struct.pack("<QQQI", riff_bytes + ds64_bytes, data_bytes, form.num_samples, 0)
    start = struct.pack("<4sI4s", b"RF64", _SIZE_IN_DS64, b"WAVE") + _chunk(b"ds64", sizes)
    return start + body + struct.pack("<4sI", b"data", _SIZE_IN_DS64)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


class FlacEncoder:
    """FLAC, by libsndfile. Integers go in left-justified, because it takes the topmost bits."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        self._shift = 32 - form.encoding.num_bits
        self._file = soundfile.SoundFile(
            str(path) if os.name == "nt" else os.fsencode(path),
            "x",
            samplerate=form.sample_rate,
            channels=form.num_channels,
            format="FLAC",
            subtype=f"PCM_{form.encoding.num_bits}",
        )

    def write(self, samples: Tensor) -> None:
        self._file.write(np.ascontiguousarray(samples.numpy().T) << self._shift)

    def close(self) -> None:
        self._file.close()


class EmptyFlac:
    """A FLAC file without samples, which libsndfile would leave without a header."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        depth_field = form.encoding.num_bits - 1
        layout = form.sample_rate << 44 | (form.num_channels - 1) << 41 | depth_field << 36
        block_samples = 4096
        # RFC 9639, section 8.2: block sizes, frame sizes (unknown), layout and length, MD5 (none).
        info = struct.pack(">HH", block_samples, block_samples) + bytes(6)
        info += struct.pack(">Q", layout) + bytes(16)
        last_block = 0x80
        with path.open("xb") as file:
            file.write(b"fLaC" + struct.pack(">B3s", last_block, bytes([0, 0, len(info)])) + info)

    def write(self, samples: Tensor) -> None:
        """Nothing: the stream has no samples."""

    def close(self) -> None:
        """Nothing: the file is complete."""
