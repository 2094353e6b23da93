"""What a file looks like: its waveform, and its spectrogram on a logarithmic scale of frequency.

Both are gathered in one pass over blocks and have a column for each pixel or so, however long the
song is. A column of the waveform holds the lowest and the highest sample; a column of the
spectrogram holds the energy in bands of equal musical width, so pink noise is even, as it sounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]

LOWEST_HZ, HIGHEST_HZ = 32.0, 20_000.0
NUM_BANDS = 128
NUM_LEVELS = 32
RANGE_DB = 70.0

_COLUMNS_PER_SECOND = 12
_MIN_COLUMNS, _MAX_COLUMNS = 800, 2400
# Loudness doubles with 10 dB: it grows with the amplitude to the power of 0.6 (Stevens 1955).
_LOUDNESS_POWER = 0.6
_WINDOW_SECONDS = 0.09  # resolves semitones from 150 Hz up


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundPicture:
    """What one file looks like: `low`, `high` [columns], `energy` [bands, columns]."""

    num_samples: int
    low: Floats
    high: Floats
    energy: Floats

    @property
    def peak(self) -> float:
        return float(max(self.high.max(initial=0.0), -self.low.min(initial=0.0)))


def draw(blocks: Iterable[Tensor], *, sample_rate: int, num_samples: int) -> SoundPicture:
    """The picture of a track [C, T] that arrives in blocks and should be `num_samples` long.

    What is missing at the end is drawn as silence, and what is too much is left out.
    """
    seconds = num_samples / sample_rate
    num_columns = max(_MIN_COLUMNS, min(_MAX_COLUMNS, round(seconds * _COLUMNS_PER_SECOND)))
    num_columns = max(1, min(num_columns, num_samples))
    columns = _Columns(num_samples, num_columns)
    waveform, spectrogram = _Waveform(columns), _Spectrogram(columns, sample_rate)
    position = 0
    for block in blocks:
        block = block[:, : num_samples - position]
        if block.shape[-1]:
            waveform.add(block.numpy(), position)
            spectrogram.add(block)
        position += block.shape[-1]
    return SoundPicture(
        num_samples=position,
        low=waveform.low,
        high=waveform.high,
        energy=spectrogram.finish(),
    )


def outline(picture: SoundPicture, *, peak: float) -> bytes:
    """Pairs of signed bytes, the lowest and the highest sample of each column; `peak` is ±127.

    By a power law in between: stems at 20 dB below the song would be a bare line otherwise.
    """
    pairs = np.stack([picture.low, picture.high], axis=-1) / (peak or 1.0)  # [columns, 2]
    heights = np.sign(pairs) * np.abs(pairs) ** _LOUDNESS_POWER
    return bytes(np.rint(127 * heights).clip(-127, 127).astype(np.int8).tobytes())


def shade(picture: SoundPicture, *, top: float) -> NDArray[np.uint8]:
    """The spectrogram in levels [bands, columns], high bands first; `top` is the brightest energy.

    Each level is an equal number of dB; what is `RANGE_DB` below the top and more is 0.
    """
    if top <= 0:
        return np.zeros(picture.energy.shape, np.uint8)
    floor = top * 10 ** (-RANGE_DB / 10)
    decibels = 10 * np.log10(np.maximum(picture.energy, floor) / floor)
    levels = np.rint(decibels / RANGE_DB * (NUM_LEVELS - 1)).clip(0, NUM_LEVELS - 1)
    return np.ascontiguousarray(levels[::-1].astype(np.uint8))


def top_energy(pictures: Sequence[SoundPicture]) -> float:
    """The brightest spot of all pictures, so that they can be compared."""
    return max((float(picture.energy.max(initial=0.0)) for picture in pictures), default=0.0)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Samples shared out evenly: column c holds those from edge(c) on."""

    num_samples: int
    count: int

    def edge(self, column: int) -> int:
        return -(-column * self.num_samples // self.count)

    def at(self, position: int) -> int:
        return min(position * self.count // self.num_samples, self.count - 1)


class _Waveform:
    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self.low: Floats = np.zeros(columns.count, np.float32)
        self.high: Floats = np.zeros(columns.count, np.float32)

    def add(self, block: Floats, position: int) -> None:
        """Takes the samples [C, T] from `position` on into account."""
        first, last = self._columns.at(position), self._columns.at(position + block.shape[-1] - 1)
        edges = [0, *(self._columns.edge(c) - position for c in range(first + 1, last + 1))]
        here = slice(first, last + 1)
        low = np.minimum.reduceat(block.min(axis=0), edges)
        high = np.maximum.reduceat(block.max(axis=0), edges)
        self.low[here] = np.minimum(self.low[here], low)
        self.high[here] = np.maximum(self.high[here], high)


class _Spectrogram:
    """Mean energy per band and column of Hann windows that are centred on multiples of the hop."""

    def __init__(self, columns: _Columns, sample_rate: int) -> None:
        self._columns = columns
        self._n_fft = 2 ** max(4, round(math.log2(_WINDOW_SECONDS * sample_rate)))
        widest_hop = columns.num_samples // columns.count  # each column needs a frame of its own
        self._hop = max(self._n_fft // 16, min(self._n_fft // 2, widest_hop))
        window = torch.hann_window(self._n_fft)
        self._window = window / window.square().sum().sqrt()
        self._bands = _band_matrix(sample_rate, self._n_fft)  # [F, bands]
        self._sum = torch.zeros(columns.count, NUM_BANDS)
        self._count = torch.zeros(columns.count)
        self._num_frames = 0
        self._held: Tensor | None = None

    def add(self, block: Tensor) -> None:
        """Takes the next samples [C, T] into account."""
        if self._held is None:  # the first window is centred on the first sample
            self._held = block.new_zeros(block.shape[0], self._n_fft // 2)
        samples = torch.cat([self._held, block], dim=-1)
        if samples.shape[-1] < self._n_fft:
            self._held = samples
            return
        frames = samples.unfold(-1, self._n_fft, self._hop)  # [C, N, n_fft]
        self._add_frames(frames)
        self._held = samples[:, frames.shape[1] * self._hop :].clone()

    def finish(self) -> Floats:
        """The energies [bands, columns]."""
        if self._held is not None:
            num_channels, num_held = self._held.shape
            # As many zeros as make the last window one that is centred on the last sample.
            num_zeros = max(self._n_fft // 2, self._n_fft - num_held)
            self.add(self._held.new_zeros(num_channels, num_zeros))
        mean = self._sum / self._count.clamp(min=1)[:, None]
        return _fill_gaps(mean.numpy(), self._count.numpy() > 0)

    def _add_frames(self, frames: Tensor) -> None:
        power = torch.fft.rfft(frames * self._window).abs().square().mean(dim=0)  # [N, F]
        centres = [(self._num_frames + n) * self._hop for n in range(frames.shape[1])]
        self._num_frames += frames.shape[1]
        target = torch.tensor([self._columns.at(centre) for centre in centres])
        self._sum.index_add_(0, target, power @ self._bands)
        self._count.index_add_(0, target, torch.ones(len(centres)))


def _fill_gaps(energy: Floats, is_known: NDArray[np.bool_]) -> Floats:
    """The energies [columns, bands] as [bands, columns]; without a frame, those before."""
    source = np.maximum.accumulate(np.where(is_known, np.arange(len(is_known)), 0))
    return np.ascontiguousarray(energy[source].T)


def _band_matrix(sample_rate: int, n_fft: int) -> Tensor:
    """What each bin [F] gives to each band [bands].

    A band is a triangle on the logarithmic axis that reaches to the centres of its neighbours.
    Where bins are wider than that, it takes its share of the two bins around its centre.
    """
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, NUM_BANDS + 2)
    bin_hz = sample_rate / n_fft
    bins = np.arange(n_fft // 2 + 1) * bin_hz
    matrix = np.zeros((len(bins), NUM_BANDS), np.float32)
    for band, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if centre > sample_rate / 2:
            break
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        weights = np.minimum(rising, falling).clip(0, 1)
        if weights.sum() < 1:
            weights = (1 - np.abs(bins - centre) / bin_hz).clip(0, 1)
            weights *= (high - low) / 2 / bin_hz
        matrix[:, band] = weights
    return torch.from_numpy(matrix)
