"""What a file claims about its audio, and what decoding it measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInfo:
    """What the header claims.

    `num_samples` is None where the header does not say or only guesses (MP3 without a LAME tag, raw
    AAC, a live stream). The figure may be off by `tolerance_samples` in an intact file: 0 for
    formats that count samples, a few frames for AAC in MP4, half a second or a hundredth for those
    that count seconds. `ends_early`: the file was cut off, by what it says of its end in other
    ways. `channels` are named as in `stemsplit.audio.channels`, with the usual names where the file
    does not say. `notes` are what is odd about the file, as ends of sentences that begin with its
    name.
    """

    path: Path
    container: str
    codec: str
    sample_rate: int
    channels: tuple[str, ...]
    num_samples: int | None
    bits_per_sample: int | None
    tolerance_samples: int = 0
    ends_early: bool = False
    notes: tuple[str, ...] = ()

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    def missing_samples(self, num_decoded: int) -> int:
        """How many samples the header promised and decoding did not give; 0 for an intact file."""
        if self.num_samples is None:
            return 0
        missing = self.num_samples - num_decoded
        return missing if missing > self.tolerance_samples else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackStats:
    """What a full pass measured. Mean and deviation are those of the mono mix."""

    num_samples: int
    mean: float
    std: float
    peak: float


class StatsAccumulator:
    """Statistics of a track [C, T] that arrives in blocks.

    The mean and the sum of squared deviations of each block are merged with the formula of Chan,
    Golub and LeVeque (1979) in float64, which stays exact for music on a large DC offset, where
    the textbook "mean of squares minus square of mean" cancels.
    """

    def __init__(self) -> None:
        self._num_samples = 0
        self._mean = 0.0
        self._squares = 0.0
        self._peak = 0.0

    def add(self, block: Tensor) -> None:
        """Takes the next block [C, T] into account."""
        num_new = block.shape[-1]
        if num_new == 0:
            return
        samples = block.numpy()
        mono = samples.mean(axis=0, dtype=np.float64)  # [T]
        mean = float(mono.mean())
        squares = float(np.square(mono - mean).sum())
        total = self._num_samples + num_new
        shift = mean - self._mean
        self._squares += squares + shift**2 * self._num_samples * num_new / total
        self._mean += shift * num_new / total
        self._num_samples = total
        self._peak = max(self._peak, float(np.abs(samples).max()))

    def result(self) -> TrackStats:
        """The statistics so far; `std` is unbiased (n - 1), and 0 for fewer than two samples."""
        degrees = self._num_samples - 1
        return TrackStats(
            num_samples=self._num_samples,
            mean=self._mean,
            std=(self._squares / degrees) ** 0.5 if degrees > 0 else 0.0,
            peak=self._peak,
        )
