"""The network of one stem: from magnitudes of a mixture to those of the stem.

Takahashi, Mitsufuji, "Densely connected multidilated convolutional networks for dense prediction
tasks", CVPR 2021 (arXiv:2011.11844), sections 3 and 5.2; as the authors' program for music has it:
"D3Net: Densely connected multidilated DenseNet for music source separation" (arXiv:2010.01733).
Feature maps are [B, D, N, F], frames before bins.

A layer of a multidilated block hears all layers before it, each with a dilation of its own: the
output of layer i with 2^i. So what layer i hears from layer j can be computed as soon as j is
finished, for all i > j in one convolution, and added up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.d3net.config import BandUNetConfig, StemConfig


class NormConv(nn.Module):
    """[B, D, N, F] -> [B, D', N, F]: norm, ReLU and a dilated convolution."""

    def __init__(self, num_in: int, num_out: int, *, dilation: int) -> None:
        super().__init__()
        self.norm = ChannelAffine(num_in)
        self.conv = nn.Conv2d(num_in, num_out, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.norm(x).relu_())
        return y


class DenseBlock(nn.Module):
    """[B, D, N, F] -> [B, width, N, F], the output of the last of `num_layers` layers (D2 block).

    Layer i reads what layers 0 to i - 1 have left for it, each with its dilation: section 3.2.
    """

    def __init__(self, num_in: int, width: int, num_layers: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(
            NormConv(
                num_in if index == 0 else width, width * (num_layers - index), dilation=1 << index
            )
            for index in range(num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        return _through(self.layers, x, width=self.width)


class NestedBlock(nn.Module):
    """[B, D, N, F] -> [B, width, N, F]: dense blocks, connected as layers are (D3 block)."""

    def __init__(self, num_in: int, width: int, num_layers: int, num_blocks: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(
            DenseBlock(num_in if index == 0 else width, width * (num_blocks - index), num_layers)
            for index in range(num_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        return _through(self.blocks, x, width=self.width)


def _through(layers: nn.ModuleList, x: Tensor, *, width: int) -> Tensor:
    """[B, width, N, F]: the last layer's output; each gives what all behind it hear of it."""
    first, *rest = layers
    waiting: Tensor = first(x)  # [B, width * number of layers, N, F]
    for layer in rest:
        waiting = layer(waiting[:, :width]).add_(waiting[:, width:])
    return waiting


class Upsample(nn.Module):
    """[B, D, N, F] -> [B, D, 2 N, 2 F]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelAffine(width)
        self.conv = nn.ConvTranspose2d(width, width, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.norm(x))
        return y


class BandUNet(nn.Module):
    """[B, C, N, F] -> [B, D, N, F]: a U-Net of nested blocks; N and F can be halved at each level.

    `blocks` go down, through the lowest level, and up.
    """

    def __init__(self, num_channels: int, config: BandUNetConfig) -> None:
        super().__init__()
        widths, num_levels = config.widths, config.num_levels
        self.num_levels = num_levels
        self.first = nn.Conv2d(num_channels, config.first_width, 3, padding=1)
        inputs = [config.first_width, *widths[:num_levels]]
        inputs += [
            widths[num_levels + level] + widths[num_levels - 1 - level]
            for level in range(num_levels)
        ]
        self.blocks = nn.ModuleList(
            NestedBlock(num_in, width, num_layers, config.num_blocks[0])
            for num_in, width, num_layers in zip(inputs, widths, config.num_layers, strict=True)
        )
        self.ups = nn.ModuleList(Upsample(width) for width in widths[num_levels:-1])

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.first(x), []
        for block in self.blocks[: self.num_levels]:
            x = block(x)
            skips.append(x)
            x = F.avg_pool2d(x, 2)  # [B, D, N, F], both halved
        x = self.blocks[self.num_levels](x)
        for up, block in zip(self.ups, self.blocks[self.num_levels + 1 :], strict=True):
            x = block(torch.cat((up(x), skips.pop()), dim=1))  # [B, D, N, F], both doubled
        return x


class Widen(nn.Module):
    """[B, D, N, F] -> [B, D', N, F]: what gives a narrow band as many features as the widest."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.norm = ChannelAffine(num_in)
        self.conv = nn.Conv2d(num_in, num_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.norm(x))
        return y


class StemD3Net(nn.Module):
    """Magnitudes [B, C, N, F] of a mixture in the lowest bins -> those of the stem there."""

    def __init__(self, config: StemConfig) -> None:
        super().__init__()
        num_bins, num_heard = config.spectrogram.num_bins, config.num_heard_bins
        num_channels = config.spectrogram.num_channels
        self.band_bins = config.band_bins
        self.num_heard_bins = num_heard
        widest = max(band.widths[-1] for band in config.bands)
        self.in_offset = nn.Parameter(torch.zeros(num_bins))
        self.in_scale = nn.Parameter(torch.ones(num_bins))
        self.bands = nn.ModuleList(BandUNet(num_channels, band) for band in config.bands)
        self.widen = nn.ModuleList(
            nn.Identity() if band.widths[-1] == widest else Widen(band.widths[-1], widest)
            for band in config.bands
        )
        self.full = BandUNet(num_channels, config.full)
        self.final = DenseBlock(
            widest + config.full.widths[-1], config.final_width, config.num_final_layers
        )
        self.out_norm = ChannelAffine(config.final_width)
        self.gate = nn.Conv2d(config.final_width, num_channels, 1)
        self.filter = nn.Conv2d(config.final_width, num_channels, 1)
        self.decode_scale = nn.Parameter(torch.ones(num_heard))
        self.decode_bias = nn.Parameter(torch.ones(num_heard))

    def forward(self, magnitudes: Tensor) -> Tensor:
        lowest = slice(self.num_heard_bins)
        heard = (magnitudes - self.in_offset[lowest]) / self.in_scale[lowest]
        bands = [
            widen(band(part))
            for part, band, widen in zip(
                torch.split(heard, self.band_bins, dim=-1), self.bands, self.widen, strict=True
            )
        ]
        joined = torch.cat((torch.cat(bands, dim=-1), self.full(heard)), dim=1)
        x = self.out_norm(self.final(joined))
        y = self.gate(x).sigmoid() * self.filter(x)  # [B, C, N, F]
        return F.relu(y.float() * self.decode_scale + self.decode_bias)
