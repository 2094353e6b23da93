"""Reading of linear PCM, in whatever container its header is understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.decode import aiff_header, caf_header, wav_header
from stemsplit.audio.decode.decoded import Decoded
from stemsplit.audio.decode.linear import LinearAudio, UnclearHeaderError
from stemsplit.audio.file_names import display_path
from stemsplit.audio.info import AudioInfo
from stemsplit.errors import AudioReadError

LINEAR_MAGIC = (*wav_header.MAGIC, *aiff_header.MAGIC, *caf_header.MAGIC)
"""The first bytes of the files that may hold linear PCM; many other files begin so, too."""

_READ_BYTES = 1 << 18
_MAX_CHANNELS = 1024

_HEADERS: tuple[Callable[[BinaryIO], LinearAudio | None], ...] = (
    wav_header.read_wav_header,
    aiff_header.read_aiff_header,
    caf_header.read_caf_header,
    caf_header.read_au_header,
)


@contextmanager
def open_linear(path: Path) -> Iterator[Decoded | None]:
    """The decoded file, closed on leaving; None if it holds something else than linear PCM.

    Which channel is which is not looked at: see `source`.

    Raises:
        AudioReadError: the header contradicts itself.
    """
    with path.open("rb") as file:
        try:
            audio = next(filter(None, (read_header(file) for read_header in _HEADERS)), None)
        except UnclearHeaderError as error:
            raise AudioReadError(
                f"{display_path(path)} has a header that contradicts itself: {error}.",
                hint="Export it again, as wav with 16 or 24 bits.",
            ) from error
        if audio is not None and audio.format.num_channels > _MAX_CHANNELS:
            raise AudioReadError(
                f"{display_path(path)} states {audio.format.num_channels} channels.",
                hint="It is probably damaged; convert or download it again.",
            )
        yield None if audio is None else Decoded(_info(path, audio), _blocks(file, audio))


def _info(path: Path, audio: LinearAudio) -> AudioInfo:
    form = audio.format
    return AudioInfo(
        path=path,
        container=form.container,
        codec=form.samples.codec,
        sample_rate=form.sample_rate,
        channels=default_channels(form.num_channels),
        num_samples=audio.num_frames,
        bits_per_sample=form.samples.num_bits,
        notes=audio.notes,
    )


def _blocks(file: BinaryIO, audio: LinearAudio) -> Iterator[Tensor]:
    """Blocks [C, T]; what is no whole frame at the end of an extent is left out."""
    form = audio.format
    frames_at_once = max(1, _READ_BYTES // form.frame_bytes)
    for start, num_bytes in audio.extents:
        file.seek(start)
        left = num_bytes // form.frame_bytes
        while left:
            data = file.read(min(left, frames_at_once) * form.frame_bytes)
            num_frames = len(data) // form.frame_bytes
            if not num_frames:
                return  # the file has become shorter
            samples = form.samples.decoded(data[: num_frames * form.frame_bytes])
            block = samples.reshape(num_frames, form.num_channels).T  # [C, T]
            yield torch.from_numpy(np.ascontiguousarray(block))
            left -= num_frames
