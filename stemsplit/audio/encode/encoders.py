"""Samples to bytes: what an encoding does to the sound, and the encoder of each format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsplit.audio.encode.encode_pcm import open_aiff, open_wav
from stemsplit.audio.encode.encode_sndfile import Mp3Encoder, VorbisEncoder, open_flac
from stemsplit.audio.formats import (
    Codec,
    Container,
    Encoding,
    Kind,
    StreamFormat,
    Subtype,
)

__all__ = [
    "Codec",
    "Container",
    "Dither",
    "Encoder",
    "Encoding",
    "Spool",
    "StreamFormat",
    "Subtype",
    "fit",
    "open_encoder",
    "quantise",
    "read_spool",
]

_SPOOL_SAMPLES = 1 << 16

# A common gain brings the highest peak to full scale, give or take the rounding of float32.
_GAIN_ROUNDING = 2.0**-22


class Encoder(Protocol):
    """Writes one file, front to back."""

    def write(self, samples: Tensor) -> None:
        """Appends [C, T]: int32 for integer encodings as `quantise` gives it, else float32."""

    def close(self) -> None: ...


_Opener = Callable[[Path, StreamFormat], Encoder]

_OPENERS: dict[Kind, _Opener] = {
    "wav": open_wav,
    "aiff": open_aiff,
    "flac": open_flac,
    "mp3": Mp3Encoder,
    "ogg": VorbisEncoder,
}


def open_encoder(path: Path, form: StreamFormat) -> Encoder:
    """An encoder for a file that must not exist yet.

    Raises:
        OSError, soundfile.LibsndfileError: the file cannot be made.
    """
    opener = _OPENERS.get(form.encoding.kind) or _ffmpeg_openers()[form.encoding.kind]
    return opener(path, form)


def _ffmpeg_openers() -> dict[Kind, _Opener]:
    # Imported when it is needed: ffmpeg's libraries take a tenth of a second to load.
    from stemsplit.audio.encode.encode_pyav import open_aac, open_alac, open_opus

    return {"opus": open_opus, "aac": open_aac, "alac": open_alac}


class Dither:
    """Triangular noise of ±1 step, the same for the same seed however the stream is cut.

    The sum of two uniform variables of one step each makes both the mean and the variance of the
    total error independent of the signal (Lipshitz, Wannamaker and Vanderkooy 1992): the variance
    is 1/4 step², 1/12 from rounding and 1/6 from the noise.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))

    def noise(self, num_channels: int, num_samples: int) -> NDArray[np.float64]:
        """The next stretch of noise [C, T], in steps."""
        pairs = self._random.random((2 * num_samples * num_channels,))
        steps: NDArray[np.float64] = (pairs[0::2] - pairs[1::2]).reshape(num_samples, num_channels)
        return np.ascontiguousarray(steps.T)  # [C, T]


def fit(samples: Tensor, encoding: Encoding, dither: Dither | None = None) -> tuple[Tensor, int]:
    """What the encoder is given for samples [C, T], and how many of them had to be cut."""
    if encoding.is_integer:
        return quantise(samples, encoding.num_bits, dither)
    if encoding.is_float:
        return samples, 0
    num_cut = int(np.count_nonzero(np.abs(samples.numpy()) > 1 + _GAIN_ROUNDING))
    return samples.clamp(-1, 1), num_cut


def quantise(samples: Tensor, num_bits: int, dither: Dither | None = None) -> tuple[Tensor, int]:
    """Integers (int32) that stand for the samples [C, T], and how many of them had to be cut.

    x becomes round(x * 2^(bits - 1)), so that what was read from a file of that depth is written
    back bit for bit; the product is exact in float32. Values past the largest integer saturate.
    With dither, noise is added before rounding, except to samples that are exactly 0: digital
    silence stays silence. Where only the noise goes past full scale, nothing counts as cut.
    """
    full_scale = 2 ** (num_bits - 1)
    scaled = samples.numpy() * np.float32(full_scale)
    rounded = np.rint(scaled)
    num_cut = int(np.count_nonzero((rounded < -full_scale) | (rounded > full_scale - 1)))
    if dither is not None:
        noise = dither.noise(*samples.shape)
        rounded = np.where(scaled == 0, 0, np.rint(scaled + noise))
    kept = rounded.clip(-full_scale, full_scale - 1)
    return torch.from_numpy(kept.astype(np.int32)), num_cut


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
