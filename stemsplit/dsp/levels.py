"""Peaks, clipping and correlation of signals that arrive in blocks of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FULL_SCALE = 1 - 2.0**-15
"""The largest sample that 16-bit audio can hold; in longer formats a hair below the largest."""

_RUN_SAMPLES = 3
"""Equal samples at full scale that make a flat top. Music that was not clipped, only normalised,
touches full scale with single samples, and what a lossy format overshoots is not flat."""

_ROUNDING = 1e-5

_SUM_SAMPLES = 1024
"""Products that are summed in float32; the sums of these are added in float64. Over a second of a
constant, float32 alone was off by 5e-5: it rounds such a sum the same way each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """The peak (1 is full scale; NaN if any sample is) and the clipping of a signal.

    `num_clipped` samples of all channels are at or beyond full scale. `num_clipped_runs` counts
    the flat tops among them: three or more equal samples in a row.
    """

    peak: float
    num_clipped: int
    num_clipped_runs: int

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.peak)

    @property
    def peak_dbfs(self) -> float | None:
        """None for digital silence, and where samples are not finite numbers."""
        if self.peak == 0 or not self.is_finite:
            return None
        return 20 * math.log10(self.peak)


class LevelMeter:
    """Levels of several signals at once."""

    def __init__(self, *, num_signals: int, num_channels: int) -> None:
        self._peaks = torch.zeros(num_signals)  # [N]
        self._clipped = torch.zeros(num_signals, dtype=torch.int64)
        self._runs = torch.zeros(num_signals, dtype=torch.int64)
        # A run may reach over the end of a block, and the one before it too.
        self._last = torch.zeros(num_signals, num_channels, _RUN_SAMPLES)  # [N, C, 3]

    def add(self, signals: Tensor) -> None:
        """Takes the next samples [N, C, T] into account."""
        if not signals.shape[-1]:
            return
        peaks = signals.abs().amax(dim=(1, 2))  # [N]
        self._peaks = torch.maximum(self._peaks, peaks)  # NaN stays NaN
        for index in (peaks >= FULL_SCALE).nonzero().flatten().tolist():
            self._count(index, torch.cat([self._last[index], signals[index]], dim=-1))
        self._last = torch.cat([self._last, signals[..., -_RUN_SAMPLES:]], dim=-1)
        self._last = self._last[..., -_RUN_SAMPLES:].clone()

    def _count(self, index: int, samples: Tensor) -> None:
        """Counts in a signal [C, 3 + T], of which the first three samples were counted before."""
        clipped = samples.abs() >= FULL_SCALE
        held = clipped[:, 1:] & (samples[:, 1:] == samples[:, :-1])
        flat = held[:, 1:] & held[:, :-1]  # [C, 1 + T]: whether a sample ends three equal ones
        self._clipped[index] += clipped[:, _RUN_SAMPLES:].sum()
        self._runs[index] += (flat[:, 1:] & ~flat[:, :-1]).sum()

    def levels(self) -> list[Level]:
        """The levels so far, in the order of the signals."""
        rows = zip(self._peaks.tolist(), self._clipped.tolist(), self._runs.tolist(), strict=True)
        return [
            Level(peak=peak, num_clipped=clipped, num_clipped_runs=runs)
            for peak, clipped, runs in rows
        ]


class CorrelationMeter:
    """How alike any two of several signals are, and their energies."""

    def __init__(self, *, num_signals: int) -> None:
        self._num_samples = 0
        self._sums = torch.zeros(num_signals, dtype=torch.float64)  # [N]
        self._products = torch.zeros(num_signals, num_signals, dtype=torch.float64)  # [N, N]

    def add(self, signals: Tensor) -> None:
        """Takes the next samples [N, C, T] into account."""
        rows = signals.flatten(1)  # [N, C*T]
        self._num_samples += rows.shape[-1]
        blocks = _blocks(rows).transpose(0, 1)  # [K, N, block]
        self._sums += blocks.sum(dim=-1).double().sum(dim=0)
        self._products += (blocks @ blocks.mT).double().sum(dim=0)

    def energies(self) -> list[float]:
        """The sum of squares of each signal, all channels together."""
        energies: list[float] = self._products.diagonal().tolist()
        return energies

    def correlation(self, first: int, second: int) -> float | None:
        """Pearson's coefficient of two signals without delay, all channels together.

        None where a signal is constant, or has samples that are not finite numbers.
        """
        products, sums = (part[[first, second]] for part in (self._products, self._sums))
        covariances = products[:, [first, second]] - torch.outer(sums, sums) / self._num_samples
        variances = covariances.diagonal()
        # A constant leaves only the rounding errors of sums in single precision.
        if not (variances > _ROUNDING * products[:, [first, second]].diagonal()).all():
            return None
        value = float(covariances[0, 1] / variances.sqrt().prod())
        return max(-1.0, min(1.0, value)) if math.isfinite(value) else None


def energy(signal: Tensor) -> float:
    """The sum of the squares of all samples, whatever their shape."""
    norms = torch.linalg.vector_norm(_blocks(signal.reshape(1, -1)), dim=-1)
    return float(norms.double().square().sum())


def _blocks(rows: Tensor) -> Tensor:
    """Rows [N, T] cut into [N, K, block]; zeros fill up the last one."""
    num_blocks = -(-rows.shape[-1] // _SUM_SAMPLES)
    missing = num_blocks * _SUM_SAMPLES - rows.shape[-1]
    return torch.unflatten(F.pad(rows, (0, missing)), 1, (num_blocks, _SUM_SAMPLES))
