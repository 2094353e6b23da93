"""SCNet's encoder and decoder. Tong et al. (2024), arXiv:2401.13276, sections 2.2 and 2.4.

Modules are named and numbered as in published checkpoints, which load with no renaming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.scnet.config import SCNetConfig
from stemsplit.models.scnet.sub_bands import Band

_MIXING_KERNEL_SIZE = 3


class CompressBands(nn.Module):
    """[B, D, F, N] -> one [B, D', F', N] for each band."""

    def __init__(self, in_channels: int, out_channels: int, bands: Sequence[Band]) -> None:
        super().__init__()
        self.bands = bands
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, out_channels, (band.kernel_size, 1), (band.stride, 1))
            for band in bands
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        return [
            conv(F.pad(x[:, :, band.start : band.stop], (0, 0, *band.padding)))
            for conv, band in zip(self.convs, self.bands, strict=True)
        ]


class ExpandBands(nn.Module):
    """[B, D, F', N] -> [B, D', F, N]: the way back from `CompressBands`."""

    def __init__(self, in_channels: int, out_channels: int, bands: Sequence[Band]) -> None:
        super().__init__()
        self.bands = bands
        self.convtrs = nn.ModuleList(
            nn.ConvTranspose2d(in_channels, out_channels, (band.kernel_size, 1), (band.stride, 1))
            for band in bands
        )

    def forward(self, x: Tensor) -> Tensor:
        compressed = torch.split(x, [band.num_steps for band in self.bands], dim=2)
        expanded = []
        for conv, band, steps in zip(self.convtrs, self.bands, compressed, strict=True):
            margin = (band.num_expanded - band.num_bins) // 2
            expanded.append(conv(steps)[:, :, margin : margin + band.num_bins])
        return torch.cat(expanded, dim=2)


class ResidualLayers(nn.Module):
    """Layers [B, D, N] -> [B, D, N] along time, the same for all bins of a band."""

    def __init__(self, config: SCNetConfig, channels: int, *, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_residual_layer(config, channels) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def _residual_layer(config: SCNetConfig, channels: int) -> nn.Sequential:
    hidden = int(channels / config.compress)
    size, padding = config.kernel_size, config.kernel_size // 2
    return nn.Sequential(
        nn.GroupNorm(1, channels),
        nn.Conv1d(channels, 2 * hidden, size, padding=padding),
        nn.GLU(dim=1),
        nn.Conv1d(hidden, hidden, size, padding=padding, groups=hidden),
        nn.GroupNorm(1, hidden),
        nn.SiLU(),
        nn.Conv1d(hidden, channels, 1),
    )


class EncoderBlock(nn.Module):
    """[B, D, F, N] -> [B, D', F', N], once mixed across bands and once before that."""

    def __init__(
        self, config: SCNetConfig, in_channels: int, out_channels: int, bands: Sequence[Band]
    ) -> None:
        super().__init__()
        self.SDlayer = CompressBands(in_channels, out_channels, bands)  # the published name
        self.conv_modules = nn.ModuleList(
            ResidualLayers(config, out_channels, depth=band.depth) for band in config.bands
        )
        self.globalconv = nn.Conv2d(
            out_channels, out_channels, _MIXING_KERNEL_SIZE, padding=_MIXING_KERNEL_SIZE // 2
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        bands = torch.cat(list(self._bands(x)), dim=2)  # [B, D', F', N]
        return self.globalconv(bands), bands

    def _bands(self, x: Tensor) -> Iterator[Tensor]:
        for layers, band in zip(self.conv_modules, self.SDlayer(x), strict=True):
            rows = band.transpose(1, 2)  # [B, F', D', N]
            rows = layers(rows.flatten(0, 1)).reshape(rows.shape)
            yield F.gelu(rows).transpose(1, 2)


class Fusion(nn.Module):
    """[B, D, F, N] and the encoder's of the same shape -> [B, D, F, N]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            2 * channels, 2 * channels, _MIXING_KERNEL_SIZE, padding=_MIXING_KERNEL_SIZE // 2
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        # The kernel is meant for the sum twice over, one copy after the other. Adding up the
        # kernel's halves instead gives the same for half the multiplications.
        kernel = sum_of_halves(self.conv.weight)
        padding = _MIXING_KERNEL_SIZE // 2
        return F.glu(F.conv2d(x + skip, kernel, self.conv.bias, padding=padding), dim=1)


def sum_of_halves(kernel: Tensor) -> Tensor:
    """[D', 2D, ...] -> [D', D, ...]."""
    first, second = kernel.chunk(2, dim=1)
    return first + second


class DecoderBlock(nn.Sequential):
    """[B, D, F', N] and the encoder's of the same shape -> [B, D', F, N]."""

    def __init__(self, in_channels: int, out_channels: int, bands: Sequence[Band]) -> None:
        super().__init__(Fusion(in_channels), ExpandBands(in_channels, out_channels, bands))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:  # type: ignore[override]
        fusion, expand = self
        expanded: Tensor = expand(fusion(x, skip))
        return expanded
