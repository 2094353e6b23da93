"""What ResUNetDecouple+ is made of: sub-bands, residual units, and the step to a finer level."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine

_NUM_TAPS = 64
_SLOPE = 0.01


class SubBands(nn.Module):
    """A filter bank of `num_bands` pseudo-quadrature mirror filters, each 64 samples long.

    Liu et al., "Channel-wise subband input for better voice and accompaniment separation on high
    resolution music", Interspeech 2020. Both filters are in the checkpoint: `analysis` as a kernel
    over the signal, `synthesis` as one that makes `num_bands` neighbouring samples at a time.
    """

    def __init__(self, num_bands: int) -> None:
        super().__init__()
        self.num_bands = num_bands
        self.analysis = nn.Parameter(torch.zeros(num_bands, 1, _NUM_TAPS))
        self.synthesis = nn.Parameter(torch.zeros(num_bands, num_bands, _NUM_TAPS // num_bands))

    def missing(self, num_samples: int, min_samples: int) -> int:
        """How many samples a signal lacks for sub-bands of the same length, of `min_samples`."""
        shortest = self.num_bands * min_samples - _NUM_TAPS
        return max(shortest - num_samples, -num_samples % self.num_bands)

    def split(self, signal: Tensor) -> Tensor:
        """Sub-bands [..., K, T / K + 64 / K] of a signal [..., T], for T a multiple of K."""
        flat = signal.reshape(-1, 1, signal.shape[-1])
        padded = F.pad(flat, (_NUM_TAPS - self.num_bands, _NUM_TAPS))
        bands = F.conv1d(padded, self.analysis, stride=self.num_bands)  # [B, K, L]
        return bands.reshape(*signal.shape[:-1], *bands.shape[-2:])

    def merge(self, bands: Tensor) -> Tensor:
        """The signal [..., T] of sub-bands [..., K, T / K + 64 / K]."""
        flat = bands.reshape(-1, *bands.shape[-2:])
        padded = F.pad(flat, (0, self.synthesis.shape[-1] - 1))
        phases = F.conv1d(padded, self.synthesis)  # [B, K, L]
        signal = phases.transpose(-1, -2).flatten(-2)[:, :-_NUM_TAPS]  # [B, T]
        return signal.reshape(*bands.shape[:-2], -1)


class ResidualUnit(nn.Module):
    """[B, D, N, F] -> [B, D', N, F]: a norm, convolutions with ReLUs between, and a way past them.

    `separable`: one pointwise, one depthwise and one pointwise convolution in the place of two.
    """

    def __init__(self, in_channels: int, out_channels: int, *, separable: bool) -> None:
        super().__init__()
        self.norm = ChannelAffine(in_channels)
        width = out_channels
        if separable:
            layers = [
                nn.Conv2d(in_channels, width, 1),
                nn.Conv2d(width, width, 3, padding=1, groups=width),
                nn.Conv2d(width, width, 1, bias=False),
            ]
        else:
            layers = [
                nn.Conv2d(in_channels, width, 3, padding=1),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
            ]
        between = [nn.LeakyReLU(_SLOPE, inplace=True) for _ in layers]
        pairs = [each for pair in zip(layers, between, strict=True) for each in pair]
        self.convs = nn.Sequential(*pairs[:-1])
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs(F.leaky_relu_(self.norm(x), _SLOPE))
        return y.add_(x if self.shortcut is None else self.shortcut(x))


def residual_units(in_channels: int, out_channels: int, *, separable: bool) -> nn.Sequential:
    """The units of one level: two separable ones, or four others."""
    inputs = [in_channels, *[out_channels] * (1 if separable else 3)]
    return nn.Sequential(
        *(ResidualUnit(each, out_channels, separable=separable) for each in inputs)
    )


class Upsampling(nn.Module):
    """[B, D, N, F] -> [B, D', a N, b F], where `factors` are a and b.

    `separable`: each value is repeated, behind a pointwise convolution. (The paper's program
    repeats before it: all is the same, and more of it is to be computed.)
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, factors: tuple[int, int], separable: bool
    ) -> None:
        super().__init__()
        self._factors = factors
        self._separable = separable
        self.norm = ChannelAffine(in_channels)
        self.conv: nn.Module = (
            nn.Conv2d(in_channels, out_channels, 1, bias=False)
            if separable
            else nn.ConvTranspose2d(in_channels, out_channels, factors, factors, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        if not self._separable:
            finer: Tensor = self.conv(F.relu_(normed))
            return finer
        return F.interpolate(self.conv(F.leaky_relu_(normed, _SLOPE)), scale_factor=self._factors)
