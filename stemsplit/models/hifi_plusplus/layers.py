"""The parts of HiFi++. Modules have the names that published checkpoints give them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.repeated import Repeated

RATES = (8, 8, 2, 2)
"""By which the vocoder's stages make steps shorter: together by a hop."""
KERNEL_SIZES, DILATIONS = (3, 7, 11), (1, 3, 5)
SCALES = {1: 4, 2: 2}
"""By which a U-Net's levels differ, of so many axes."""
KERNELS = {1: 5, 2: 3}

_SLOPE = 0.1
_LATER_SLOPE = 0.01


class Residual(nn.Module):
    """x + net(x)"""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.net(x)
        return x + change


class Concatenated(nn.Module):
    """x and net(x), one behind the other: [B, D, ...] -> [B, 2 D, ...]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.net(x)), dim=1)


def u_net(
    num_in: int, num_out: int, widths: Sequence[int], depth: int, *, num_axes: Literal[1, 2]
) -> nn.Sequential:
    """[B, D, ...] -> [B, D', ...] for axes that leave nothing over at any level."""
    convolution = nn.Conv1d if num_axes == 1 else nn.Conv2d
    kernel, scale = KERNELS[num_axes], SCALES[num_axes]
    same = partial(convolution, kernel_size=kernel, padding=kernel // 2)

    def blocks(width: int) -> nn.Sequential:
        layers = (
            nn.Sequential(nn.LeakyReLU(_LATER_SLOPE), same(width, width)) for _ in range(depth)
        )
        return nn.Sequential(*map(Residual, layers))

    *outer_widths, bottom = widths
    net, below = blocks(bottom), bottom
    for width in reversed(outer_widths):
        level = nn.Sequential(
            blocks(width),
            convolution(width, below, scale, scale),
            net,
            Repeated(convolution(below, width, 1), scale),
            blocks(width),
        )
        net = nn.Sequential(Concatenated(level), convolution(2 * width, width, 1))
        below = width
    return nn.Sequential(same(num_in, widths[0]), net, same(widths[0], num_out))


class ImageUNet(nn.Module):
    """Bins and frames [B, D, F, N] -> [B, D', F, N], for N that leaves nothing over.

    Bins are followed by zeros up to a multiple of 16, and by 16 where they are one.
    """

    def __init__(self, num_in: int, num_out: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.net = u_net(num_in, num_out, widths, depth, num_axes=2)

    def forward(self, x: Tensor) -> Tensor:
        num_bins = x.shape[2]
        padded: Tensor = self.net(F.pad(x, (0, 0, 0, 16 - num_bins % 16)))
        return padded[:, :, :num_bins]


class WaveformUNet(nn.Module):
    """Waveforms [B, D, T] -> [B, D, T], for T that leaves nothing over."""

    def __init__(self, num_channels: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.net = u_net(num_channels, num_channels, widths, depth, num_axes=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class Vocoder(nn.Module):
    """Features [B, 128, N] -> waveforms [B, D, N * 256].

    Kong, Kim, Bae (2020), arXiv:2010.05646, section 2.3.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv_pre = nn.Conv1d(128, num_channels, 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for stage, rate in enumerate(RATES):
            width = num_channels >> stage + 1
            self.ups.append(
                nn.ConvTranspose1d(num_channels >> stage, width, 2 * rate, rate, padding=rate // 2)
            )
            self.resblocks.extend(_Dilated(width, size) for size in KERNEL_SIZES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pre(x)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, _SLOPE))
            first = stage * len(KERNEL_SIZES)
            blocks = self.resblocks[first : first + len(KERNEL_SIZES)]
            x = sum(block(x) for block in blocks) / len(KERNEL_SIZES)
        return F.leaky_relu(x, _LATER_SLOPE)


class _Dilated(nn.Module):
    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(width, width, size, dilation=each, padding=each * (size // 2))
            for each in DILATIONS
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(width, width, size, padding=size // 2) for _ in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, _SLOPE)), _SLOPE))
        return x
