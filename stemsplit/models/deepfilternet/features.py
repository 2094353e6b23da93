"""What a DeepFilterNet hears: its frames, its bands, and means that follow the sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_ERB_SCALE, _ERB_HZ = 9.265, 24.7
_MEAN_LEVEL_DB = (-60.0, -90.0)
"""Where the means of the levels begin, in the lowest and in the highest band."""
_MEAN_MAGNITUDE = (1e-3, 1e-4)
_LEVEL_SCALE_DB = 40
_LEAST_POWER, _LEAST_MEAN = 1e-10, 1e-30


def band_widths(sample_rate: int, n_fft: int, num_bands: int, least_bins: int) -> list[int]:
    """How many bins each band has: equally many on the ERB scale, but `least_bins` or more.

    Bins that a narrow band takes from its neighbours are given back as soon as there are enough.

    Raises:
        ValueError: there are not enough bins for so many bands.
    """
    highest = _ERB_SCALE * math.log1p(sample_rate / 2 / (_ERB_HZ * _ERB_SCALE))
    widths, edge, taken = [], 0, 0
    for band in range(1, num_bands + 1):
        frequency = _ERB_HZ * _ERB_SCALE * math.expm1(highest * band / num_bands / _ERB_SCALE)
        next_edge = round(frequency * n_fft / sample_rate)
        width = next_edge - edge - taken
        taken = max(0, least_bins - width)
        widths.append(max(width, least_bins))
        edge = next_edge
    widths[-1] += n_fft // 2 + 1 - sum(widths)
    if widths[-1] < 1:
        raise ValueError(f"{n_fft // 2 + 1} bins are not enough for {num_bands} bands")
    return widths


def vorbis_window(num_samples: int, device: torch.device) -> Tensor:
    """The window [T] whose square and that of its second half add up to 1."""
    position = (torch.arange(num_samples, dtype=torch.float64) + 0.5) / num_samples
    sine = (math.pi * position).sin()
    return (math.pi / 2 * sine.square()).sin().float().to(device)


def decay_of(hop_length: int, sample_rate: int, mean_seconds: float) -> float:
    """How much of a mean is left after a frame; rounded to three places, as in the reference."""
    decay, places = math.exp(-hop_length / sample_rate / mean_seconds), 3
    while round(decay, places) >= 1:
        places += 1
    return round(decay, places)


def first_means(like: Tensor, num_bands: int, num_bins: int) -> tuple[Tensor, Tensor]:
    """The means of levels [B, bands] and of magnitudes [B, bins] before anything was heard."""
    levels = torch.linspace(*_MEAN_LEVEL_DB, num_bands, device=like.device)
    magnitudes = torch.linspace(*_MEAN_MAGNITUDE, num_bins, device=like.device)
    return levels.repeat(len(like), 1), magnitudes.repeat(len(like), 1)


def levels_above_mean(
    spectrum: Tensor, widths: list[int], mean: Tensor, decay: float
) -> tuple[Tensor, Tensor]:
    """Levels [B, N, bands] of a spectrum [B, N, F], against their means, in units of 40 dB.

    Also the means [B, bands] after the last frame.
    """
    power = spectrum.real.square() + spectrum.imag.square()
    bands = [band.mean(-1) for band in torch.split(power, widths, dim=-1)]
    levels = 10 * (torch.stack(bands, dim=-1) + _LEAST_POWER).log10()  # [B, N, bands]
    means = _running_means(levels, mean, decay)
    return (levels - means) / _LEVEL_SCALE_DB, means[:, -1]


def in_proportion(spectrum: Tensor, mean: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """A spectrum [B, N, F] divided by the roots of its mean magnitudes, as [B, 2, N, F].

    Also the means [B, F] after the last frame.
    """
    means = _running_means(spectrum.abs(), mean, decay)
    scaled = spectrum / means.clamp(min=_LEAST_MEAN).sqrt()
    return torch.stack((scaled.real, scaled.imag), dim=1), means[:, -1]


def _running_means(values: Tensor, mean: Tensor, decay: float) -> Tensor:
    """Exponential means [B, N, D] of values [B, N, D] and of what was before them, [B, D]."""
    means = []
    for fresh in ((1 - decay) * values).unbind(1):
        mean = fresh + decay * mean
        means.append(mean)
    return torch.stack(means, dim=1)
