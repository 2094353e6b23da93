"""Decoding with libsndfile: Ogg, and what is not linear in WAV and its relatives, AIFF, AU, CAF."""

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
from stemsplit.audio.containers.ogg_pages import ends_marked, has_holes
from stemsplit.audio.decode.decoded import Decoded
from stemsplit.audio.decode.linear import is_placeholder
from stemsplit.audio.file_names import display_path
from stemsplit.audio.info import AudioInfo
from stemsplit.errors import AudioReadError

_READ_SAMPLES = 1 << 16

# What is linear is read by `linear_reader`, or else left to ffmpeg, as MPEG is (see `pyav`).
_LEFT_TO_FFMPEG = {
    *("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    *("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"),
}
_LOSSLESS_BITS = {"ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32}


@contextmanager
def open_sndfile(path: Path) -> Iterator[Decoded | None]:
    """The decoded file, closed on leaving; None if it is nothing that libsndfile should read.

    libsndfile does not tell which channel is which: see `source` for more than two. Ogg with more
    than two is left to ffmpeg, because it comes in the codec's order here, the centre second; so is
    Ogg with holes, because nothing tells where they are.
    """
    # Bytes, so that names that are not valid UTF-8 arrive unchanged.
    name = str(path) if os.name == "nt" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    except soundfile.LibsndfileError:
        yield None
        return
    with file:
        is_ogg = file.format == "OGG"
        if file.subtype in _LEFT_TO_FFMPEG or (is_ogg and (file.channels > 2 or has_holes(path))):
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
        bits_per_sample=_LOSSLESS_BITS.get(file.subtype),
        ends_early=file.format == "OGG" and not ends_marked(path),
    )


def _promised_samples(file: Any) -> int | None:
    """Length by the header.

    For a file cut short, libsndfile's own figure is what is left of it; what the header said is
    found only in its log: "data : 400000 (should be 199979)", for W64 the same of the whole file,
    or for AIFF "Frames : 100000".
    """
    log: str = file.extra_info
    names = "riff" if file.format == "W64" else "data|Data Size"
    cut = re.search(rf"^ *(?:{names}) *: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if cut:
        promised_bytes, present_bytes = int(cut[1]), int(cut[2])
        if is_placeholder(promised_bytes) or not present_bytes:
            return None
        return round(int(file.frames) * promised_bytes / present_bytes)
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
