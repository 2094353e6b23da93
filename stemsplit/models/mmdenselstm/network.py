"""The network of one stem: from magnitudes of a mixture to those of the stem.

Takahashi, Goswami, Mitsufuji, "MMDenseLSTM: An efficient combination of convolutional and recurrent
neural networks for audio source separation", IWAENC 2018 (arXiv:1805.02410), section 2. Modules are
named as in published checkpoints. Feature maps are [B, D, F, N].

A layer of a dense block hears all layers before it. What it hears from each of them is computed as
soon as that one is finished, for all layers behind it in one convolution, and added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.mmdenselstm.config import (
    FULL,
    DenseBandConfig,
    DenseBlockConfig,
    DenseLstmConfig,
)


class DenseConvLayer(nn.Module):
    """[B, D, F, N] -> [B, D', F, N]: norm, ReLU and a convolution."""

    def __init__(self, num_in: int, num_out: int, kernel_size: int, *, dilation: int) -> None:
        super().__init__()
        self.norm2d = ChannelAffine(num_in)
        padding = dilation * (kernel_size // 2)
        self.conv2d = nn.Conv2d(num_in, num_out, kernel_size, padding=padding, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2d(self.norm2d(x).relu_())
        return y


class DenseConvBlock(nn.Module):
    """[B, D, F, N] -> [B, width, F, N], the output of the last of its layers."""

    def __init__(self, num_in: int, config: DenseBlockConfig, kernel_size: int) -> None:
        super().__init__()
        self.width = width = config.width
        self.net = nn.ModuleList(
            DenseConvLayer(
                num_in if index == 0 else width,
                width * (config.num_layers - index),
                kernel_size,
                dilation=1 << index if config.dilated else 1,
            )
            for index in range(config.num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.net
        waiting: Tensor = first(x)  # [B, width * number of layers, F, N]
        for layer in rest:
            waiting = layer(waiting[:, : self.width]).add_(waiting[:, self.width :])
        return waiting


class LstmBlock(nn.Module):
    """[B, D, F, N] -> [B, 1, F, N]: an LSTM along frames that hears all bins of one feature."""

    def __init__(self, num_in: int, num_bins: int, hidden_size: int) -> None:
        super().__init__()
        self.bottleneck_conv2d = nn.Conv2d(num_in, 1, 1)
        self.rnn = nn.LSTM(num_bins, hidden_size, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden_size, num_bins)

    def forward(self, x: Tensor) -> Tensor:
        heard = self.bottleneck_conv2d(x).squeeze(1).transpose(1, 2)  # [B, N, F]
        y: Tensor = self.linear(self.rnn(heard)[0])  # [B, N, F]
        return y.transpose(1, 2).unsqueeze(1)


class DenseLstmBlock(LstmBlock):
    """[B, D, F, N] -> [B, D', F, N]: a dense block and an LSTM, in one of three orders."""

    def __init__(
        self,
        num_in: int,
        num_bins: int,
        config: DenseBlockConfig,
        kernel_size: int,
        *,
        position: str,
    ) -> None:
        is_before = position == "before_dense"
        super().__init__(
            config.width if position == "after_dense" else num_in, num_bins, config.hidden_size
        )
        self.position = position
        self.dense_block = DenseConvBlock(num_in + is_before, config, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        if self.position == "before_dense":
            y: Tensor = self.dense_block(torch.cat([x, super().forward(x)], dim=1))
            return y
        dense = self.dense_block(x)
        heard = dense if self.position == "after_dense" else x
        return torch.cat([dense, super().forward(heard)], dim=1)


class DenseDown(nn.Module):
    """[B, D, F, N] -> [B, D', F, N] and the same at the next level, rounded up."""

    def __init__(self, num_in: int, config: DenseBlockConfig, band: DenseBandConfig) -> None:
        super().__init__()
        self.scale = band.scale
        self.dense_block = DenseConvBlock(num_in, config, band.kernel_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        num_bins, num_frames = x.shape[-2:]
        bins, frames = -num_bins % self.scale, -num_frames % self.scale
        padded = F.pad(x, (frames // 2, frames - frames // 2, bins // 2, bins - bins // 2))
        y = self.dense_block(padded)
        return _middle(y, num_bins, num_frames), F.avg_pool2d(y, self.scale)


class DenseUp(nn.Module):
    """[B, D, F, N] and a skip [B, D'', F'', N''] of the level above -> [B, D', F'', N'']."""

    def __init__(
        self,
        num_in: int,
        num_skipped: int,
        num_bins: int,
        config: DenseBlockConfig,
        band: DenseBandConfig,
        *,
        position: str,
    ) -> None:
        super().__init__()
        self.norm2d = ChannelAffine(num_in)
        self.upsample2d = nn.ConvTranspose2d(num_in, num_in, band.scale, stride=band.scale)
        num_heard, size = num_in + num_skipped, band.kernel_size
        if config.hidden_size:
            self.dense_rnn_block = DenseLstmBlock(
                num_heard, num_bins, config, size, position=position
            )
        else:
            self.dense_block = DenseConvBlock(num_heard, config, size)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        above = _middle(self.upsample2d(self.norm2d(x)), *skip.shape[-2:])
        block = self.dense_rnn_block if hasattr(self, "dense_rnn_block") else self.dense_block
        y: Tensor = block(torch.cat([above, skip], dim=1))
        return y


class LevelStack(nn.Module):
    """The levels on one way, under the name `net`."""

    def __init__(self, levels: Sequence[nn.Module]) -> None:
        super().__init__()
        self.net = nn.ModuleList(levels)


class DenseBand(nn.Module):
    """[B, C, F, N] -> [B, D, F, N]: a U-Net."""

    def __init__(
        self, num_channels: int, config: DenseBandConfig, *, position: str, width: int | None
    ) -> None:
        super().__init__()
        num_levels, size = config.num_levels, config.kernel_size
        self.conv2d = nn.Conv2d(num_channels, config.first_width, size, padding=size // 2)
        down, lowest = config.blocks[:num_levels], config.blocks[num_levels]
        widths = [block.width for block in down]
        inputs = [config.first_width, *widths]
        self.encoder = LevelStack(
            [DenseDown(num_in, block, config) for num_in, block in zip(inputs, down, strict=False)]
        )
        num_bins = [config.num_bins]
        for _ in down:
            num_bins.append(-(-num_bins[-1] // config.scale))
        self.bottleneck_conv2d: nn.Module
        if not lowest.num_layers:
            self.bottleneck_conv2d = LstmBlock(widths[-1], num_bins[-1], lowest.hidden_size)
        elif lowest.hidden_size:
            self.bottleneck_conv2d = DenseLstmBlock(
                widths[-1], num_bins[-1], lowest, size, position=position
            )
        else:
            self.bottleneck_conv2d = DenseConvBlock(widths[-1], lowest, size)
        num_in, ups = _num_out(lowest, position), []
        for block, num_skipped, bins in zip(
            config.blocks[num_levels + 1 :], reversed(widths), reversed(num_bins[:-1]), strict=True
        ):
            ups.append(DenseUp(num_in, num_skipped, bins, block, config, position=position))
            num_in = _num_out(block, position)
        self.decoder = LevelStack(ups)
        self.pointwise_conv2d = (
            None
            if width is None
            else nn.Sequential(ChannelAffine(num_in), nn.Conv2d(num_in, width, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.conv2d(x), []
        for down in self.encoder.net:
            skip, x = down(x)
            skips.append(skip)
        x = self.bottleneck_conv2d(x)
        for up in self.decoder.net:
            x = up(x, skips.pop())
        return x if self.pointwise_conv2d is None else self.pointwise_conv2d(x)


class GatedPointwise(nn.Module):
    """[B, D, F, N] -> [B, C, F, N]."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(num_in, num_out, 1)
        self.map_gate = nn.Conv2d(num_in, num_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.map(x) * self.map_gate(x).sigmoid()
        return y


class DenseLstmNetwork(nn.Module):
    """Magnitudes [B, C, F, N] of a mixture in the lowest bins -> those of the stem there."""

    def __init__(self, num_channels: int, config: DenseLstmConfig) -> None:
        super().__init__()
        self.config = config
        widest = max(band.width for band in config.bands.values())
        position, full = config.lstm_position, config.full
        bands = {
            name: DenseBand(
                num_channels,
                band,
                position=position,
                width=widest if band.width < widest else None,
            )
            for name, band in config.bands.items()
        }
        bands[FULL] = DenseBand(num_channels, full, position=position, width=None)
        self.net = nn.ModuleDict(bands)
        final = config.final
        self.dense_block = DenseConvBlock(widest + full.width, final, config.final_kernel_size)
        self.norm2d = ChannelAffine(final.width)
        self.glu2d = GatedPointwise(final.width, num_channels)
        self.scale_in = nn.Parameter(torch.ones(full.num_bins))
        self.bias_in = nn.Parameter(torch.zeros(full.num_bins))
        self.scale_out = nn.Parameter(torch.ones(full.num_bins))
        self.bias_out = nn.Parameter(torch.zeros(full.num_bins))

    def forward(self, magnitudes: Tensor) -> Tensor:
        scale = self.scale_in.abs() + self.config.epsilon
        heard = (magnitudes - self.bias_in[:, None]) / scale[:, None]
        bands = [
            cast(Tensor, self.net[name](part))
            for name, part in zip(
                self.config.bands, torch.split(heard, self.config.band_bins, dim=-2), strict=True
            )
        ]
        joined = torch.cat([torch.cat(bands, dim=-2), self.net[FULL](heard)], dim=1)
        y = self.glu2d(self.norm2d(self.dense_block(joined)))  # [B, C, F, N]
        return F.relu(y.float() * self.scale_out[:, None] + self.bias_out[:, None])


def _num_out(block: DenseBlockConfig, position: str) -> int:
    """Features that come out of a block."""
    has_more = block.hidden_size > 0 and (position != "before_dense" or not block.num_layers)
    return block.width + has_more


def _middle(x: Tensor, num_bins: int, num_frames: int) -> Tensor:
    """The middle of [B, D, F, N], of so many bins and frames."""
    bins, frames = (x.shape[-2] - num_bins) // 2, (x.shape[-1] - num_frames) // 2
    return x[..., bins : bins + num_bins, frames : frames + num_frames]
