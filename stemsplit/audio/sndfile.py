"""Decoding with libsndfile: WAV and its relatives, AIFF, AU, CAF, Ogg."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.decoded import Decoded
from stemsplit.audio.info import AudioInfo, display_path
from stemsplit.errors import AudioReadError

_READ_SAMPLES = 1 << 16

_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
}

# A program that cannot seek back to the header leaves a size near one of these limits.
_STREAMED_BYTES = (0x7FFF_FFFF, 0xFFFF_FFFF)
_STREAMED_MARGIN_BYTES = 1 << 16


@contextmanager
def open_sndfile(path: Path) -> Iterator[Decoded | None]:
    """The decoded file, closed on leaving; None if libsndfile does not know the format.

    libsndfile does not tell which channel is which: see `source` for more than two. Ogg with more
    than two is left to ffmpeg, because it comes in the codec's order here, the centre second.
    """
    # Bytes, so that names that are not valid UTF-8 arrive unchanged.
    name = str(path) if os.name == "nt" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    except soundfile.LibsndfileError:
        yield None
        return
    with file:
        if file.format == "OGG" and file.channels > 2:
            yield None
            return
        yield Decoded(info=_info(path, file), blocks=_blocks(path, file))


def _info(path: Path, file: Any) -> AudioInfo:
    return AudioInfo(
        path=path,
        container=file.format.lower(),
        codec=file.subtype.lower(),
        sample_rate=file.samplerate,
        channels=default_channels(file.channels),
        num_samples=_promised_samples(file),
        bits_per_sample=_BITS.get(file.subtype),
    )


def _promised_samples(file: Any) -> int | None:
    """Length by the header.

    For a file cut short, libsndfile's own figure is what is left of it; what the header said is
    found only in its log: "data : 400000 (should be 199979)" or, for AIFF, "Frames : 100000".
    """
    log: str = file.extra_info
    cut = re.search(r"^ *(?:data|Data Size) *: (\d+) \(should be \d+\)", log, re.MULTILINE)
    if cut:
        promised_bytes = int(cut[1])
        is_streamed = any(
            0 <= limit - promised_bytes < _STREAMED_MARGIN_BYTES for limit in _STREAMED_BYTES
        )
        if is_streamed or file.subtype not in _BITS:
            return None
        frame_bytes: int = file.channels * _BITS[file.subtype] // 8
        return promised_bytes // frame_bytes
    counted = re.search(r"^ *Frames +: (\d+)$", log, re.MULTILINE)
    return max(int(counted[1]) if counted else 0, int(file.frames))


def _blocks(path: Path, file: Any) -> Iterator[Tensor]:
    while True:
        try:
            samples = file.read(_READ_SAMPLES, dtype="float32", always_2d=True)  # [T, C]
        except soundfile.LibsndfileError as error:
            raise AudioReadError(
                f"{display_path(path)} cannot be decoded: {error}",
                hint="The file is probably damaged; convert or download it again.",
            ) from error
        if len(samples) == 0:
            return
        yield torch.from_numpy(np.ascontiguousarray(samples.T))  # [C, T]
