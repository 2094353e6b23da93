"""How the bins of a spectrogram are divided into bands, and what compressing them leaves.

Tong et al. (2024), section 2.2: low frequencies are kept as they are, higher ones are squeezed the
more the higher they are. Everything here is integers, known as soon as the configuration is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stemsplit.models.scnet.config import BandConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Bins [start, stop) of a level, which a strided convolution turns into `num_steps`."""

    start: int
    stop: int
    stride: int
    kernel_size: int

    @property
    def num_bins(self) -> int:
        return self.stop - self.start

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros below and above the band: to its own length, or to a multiple of the stride."""
        total = self.kernel_size - 1 if self.stride == 1 else -self.num_bins % self.stride
        return total // 2, total - total // 2

    @property
    def num_steps(self) -> int:
        return (self.num_bins + sum(self.padding) - self.kernel_size) // self.stride + 1

    @property
    def num_expanded(self) -> int:
        """What a transposed convolution makes of the steps: the band's bins and some around."""
        return (self.num_steps - 1) * self.stride + self.kernel_size


def divide_bins(num_bins: int, configs: Sequence[BandConfig]) -> tuple[Band, ...]:
    """The bands of a level, from low to high, without gaps.

    Raises:
        ValueError: a band is empty, or compressing and expanding it loses bins.
    """
    # The last band takes what the others leave, whatever its share says.
    shares = [config.share for config in configs[:-1]]
    edges = [0, *(math.ceil(num_bins * sum(shares[: i + 1])) for i in range(len(shares))), num_bins]
    bands = tuple(
        Band(start=start, stop=stop, stride=config.stride, kernel_size=config.kernel_size)
        for (start, stop), config in zip(pairwise(edges), configs, strict=True)
    )
    for band in bands:
        if band.num_bins < 1 or band.num_steps < 1 or band.num_expanded < band.num_bins:
            raise ValueError(
                f"of {num_bins} bins, those from {band.start} to {band.stop} cannot be a band "
                f"with stride {band.stride} and kernel {band.kernel_size}"
            )
    return bands


def divide_levels(
    num_bins: int, configs: Sequence[BandConfig], *, num_levels: int
) -> list[tuple[Band, ...]]:
    """The bands of each level: the steps of one are the bins of the next."""
    levels = []
    for _ in range(num_levels):
        bands = divide_bins(num_bins, configs)
        levels.append(bands)
        num_bins = sum(band.num_steps for band in bands)
    return levels
