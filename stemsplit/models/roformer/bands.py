"""Bands of the spectrum: which bins they have, how they become features, and features masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stemsplit.models.roformer.attention import RMSNorm

Bands = tuple[range, ...]
"""The bins of each band, from low to high; together they have all bins, some more than once."""

_LINEAR_HERTZ_PER_MEL = 200 / 3
_LOG_START_HERTZ = 1000.0
_LOG_STEP = math.log(6.4) / 27


def adjacent_bands(widths: Sequence[int]) -> Bands:
    """Bands of so many bins each, side by side."""
    bands = []
    start = 0
    for width in widths:
        bands.append(range(start, start + width))
        start += width
    return tuple(bands)


def mel_bands(num_bands: int, *, n_fft: int, sample_rate: int) -> Bands:
    """Bands as wide as the triangles of a mel filter bank, each overlapping the next.

    Band i has the bins strictly between the edges i and i + 2 of `num_bands` + 2 edges at equal
    distances on Slaney's mel scale (Auditory Toolbox, 1998), from 0 Hz to half the sample rate. The
    first and the last bin, which lie on an edge, belong to the first and the last band.

    Raises:
        ValueError: there are so many bands that one has no bins.
    """
    step = _mel(sample_rate / 2) / (num_bands + 1)
    edges = [_hertz(index * step) * n_fft / sample_rate for index in range(num_bands + 2)]  # bins
    starts = [math.floor(edge) + 1 for edge in edges[:-2]]
    stops = [math.ceil(edge) for edge in edges[2:]]
    starts[0], stops[-1] = 0, n_fft // 2 + 1
    bands = tuple(range(start, stop) for start, stop in zip(starts, stops, strict=True))
    empty = next((index for index, band in enumerate(bands) if not band), None)
    if empty is not None:
        raise ValueError(f"band {empty} of {num_bands} mel bands has none of the bins")
    return bands


def _mel(hertz: float) -> float:
    """Slaney's mel scale: linear up to 1 kHz, logarithmic above."""
    if hertz < _LOG_START_HERTZ:
        return hertz / _LINEAR_HERTZ_PER_MEL
    return _LOG_START_HERTZ / _LINEAR_HERTZ_PER_MEL + math.log(hertz / _LOG_START_HERTZ) / _LOG_STEP


def _hertz(mel: float) -> float:
    log_start = _LOG_START_HERTZ / _LINEAR_HERTZ_PER_MEL
    if mel < log_start:
        return mel * _LINEAR_HERTZ_PER_MEL
    return _LOG_START_HERTZ * math.exp(_LOG_STEP * (mel - log_start))


class BandSplit(nn.Module):
    """Bins [B, N, F, 2C] to features [B, N, K, D] of K bands.

    Each band is brought to unit power first, so the scale of the spectrogram does not matter.
    """

    def __init__(self, bands: Bands, *, num_channels: int, dim: int) -> None:
        super().__init__()
        self.bands = bands
        self.dim = dim
        widths = [2 * num_channels * len(band) for band in bands]
        self.to_features = nn.ModuleList(
            nn.Sequential(RMSNorm(width), nn.Linear(width, dim)) for width in widths
        )

    def forward(self, bins: Tensor) -> Tensor:
        features = bins.new_empty(*bins.shape[:2], len(self.bands), self.dim)  # [B, N, K, D]
        for index, (band, embed) in enumerate(zip(self.bands, self.to_features, strict=True)):
            features[:, :, index] = embed(bins[:, :, band.start : band.stop].flatten(2))
        return features


class MaskEstimator(nn.Module):
    """Features [B, N, K, D] to a mask [B, N, F, 2C] of one stem, real and imaginary parts in turn.

    Where bands overlap, the mask is the mean of theirs.
    """

    def __init__(self, bands: Bands, *, num_channels: int, dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.bands = bands
        self.num_parts = 2 * num_channels
        self.to_freqs = nn.ModuleList(
            nn.Sequential(_mlp(dim, *hidden, 2 * self.num_parts * len(band)), nn.GLU())
            for band in bands
        )

    def forward(self, features: Tensor) -> Tensor:
        num_bins = self.bands[-1].stop
        shape = (*features.shape[:2], num_bins, self.num_parts)
        mask = torch.zeros(shape, device=features.device)  # [B, N, F, 2C], float32
        times = torch.zeros(num_bins, 1)
        for index, (band, estimate) in enumerate(zip(self.bands, self.to_freqs, strict=True)):
            part = torch.unflatten(estimate(features[:, :, index]), 2, (len(band), -1))
            mask[:, :, band.start : band.stop] += part
            times[band.start : band.stop] += 1
        return mask / times.to(mask.device)


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers between these widths, with tanh between them."""
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        if index:
            layers.append(nn.Tanh())
        layers.append(nn.Linear(widths[index], widths[index + 1]))
    return nn.Sequential(*layers)
