"""Convolutions of bins and frames that hear the whole spectrum at once.

Chi, Jiang, Mu, "Fast Fourier convolution" (NeurIPS 2020), with the transform over bins alone:
Shchekotov et al. (2022), section 3. Modules have the names that published checkpoints give them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.blocks.repeated import Repeated
from stemsplit.models.ffc_se.config import FfcSeConfig

_KERNEL = 3


class FourierUnit(nn.Module):
    """Maps [B, D, F, N] -> [B, D, F, N]: a layer between a transform over F and its inverse."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(2 * num_channels, 2 * num_channels, 1)
        self.inter_conv = nn.Sequential(convolution, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x.float(), dim=-2, norm="ortho")  # [B, D, F', N]
        parts = torch.stack((spectrum.real, spectrum.imag), dim=2).flatten(1, 2)  # [B, 2 D, F', N]
        changed = torch.unflatten(self.inter_conv(parts).float(), 1, (-1, 2))  # [B, D, 2, F', N]
        spectrum = torch.complex(changed[:, :, 0], changed[:, :, 1])
        result: Tensor = torch.fft.irfft(spectrum, x.shape[-2], dim=-2, norm="ortho")
        return result


class SpectralTransform(nn.Module):
    """Maps [B, D, F, N] -> [B, D, F, N], through half of the channels."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        half = num_channels // 2
        self.conv1 = nn.Sequential(nn.Conv2d(num_channels, half, 1), nn.ReLU(inplace=True))
        self.fu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, num_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(x)
        result: Tensor = self.conv2(self.fu(hidden) + hidden)
        return result


class FastFourierConvolution(nn.Module):
    """[B, D, F, N] -> [B, D, F, N]: the first channels are local, the last `num_global` global."""

    def __init__(self, num_channels: int, num_global: int) -> None:
        super().__init__()
        self._num_local = num_local = num_channels - num_global
        self.l2l_layer = nn.Conv2d(num_local, num_local, _KERNEL, bias=False)
        self.local_bn_relu = _norm_and_activation(num_local)
        if num_global:
            self.l2g_layer = nn.Conv2d(num_local, num_global, _KERNEL, bias=False)
            self.g2l_layer = nn.Conv2d(num_global, num_local, _KERNEL, bias=False)
            self.g2g_layer = SpectralTransform(num_global)
            self.global_bn_relu = _norm_and_activation(num_global)

    def forward(self, x: Tensor) -> Tensor:
        wider = F.pad(x, (_KERNEL // 2,) * 4, mode="reflect")
        local, around = wider[:, : self._num_local], wider[:, self._num_local :]
        to_local: Tensor = self.l2l_layer(local)
        if not around.shape[1]:
            activated: Tensor = self.local_bn_relu(to_local)
            return activated
        to_local = to_local + self.g2l_layer(around)
        to_global = self.l2g_layer(local) + self.g2g_layer(x[:, self._num_local :])
        return torch.cat((self.local_bn_relu(to_local), self.global_bn_relu(to_global)), dim=1)


class ResidualBlock(nn.Module):
    """Two of them, [B, D, F, N] -> [B, D, F, N]."""

    def __init__(self, num_channels: int, num_global: int) -> None:
        super().__init__()
        self.ffc1 = FastFourierConvolution(num_channels, num_global)
        self.ffc2 = FastFourierConvolution(num_channels, num_global)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.ffc2(self.ffc1(x))
        return x + change


class AutoencoderLevel(nn.Module):
    """[B, D, F, N] -> [B, D, F, N] through what lies below, with half of the bins and frames."""

    def __init__(self, num_channels: int, below: nn.Module) -> None:
        super().__init__()
        down = nn.Conv2d(
            num_channels, 2 * num_channels, _KERNEL, 2, padding=1, padding_mode="reflect"
        )
        up = nn.ConvTranspose2d(
            2 * num_channels, num_channels, _KERNEL, 2, padding=1, output_padding=1, bias=False
        )
        self.downsample = nn.Sequential(down, nn.ReLU(inplace=True))
        self.internal_block = below
        self.upsample = nn.Sequential(up, ChannelAffine(num_channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.upsample(self.internal_block(self.downsample(x)))
        return result


class SkipLevel(nn.Module):
    """The same with blocks of its own on either side, and a connection past all of them."""

    def __init__(self, config: FfcSeConfig, level: int, below: nn.Module) -> None:
        super().__init__()
        width = config.channels_at(level)
        self.start_block = _blocks(config, level)
        self.downsample = nn.Conv2d(width, 2 * width, 1, 2, bias=False)
        self.internal_block = below
        self.upsample = Repeated(nn.Conv2d(2 * width, width, 1, bias=False), 2)
        self.end_block = _blocks(config, level)
        self.ConcatConv = nn.Conv2d(2 * width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.internal_block(self.downsample(self.start_block(x)))
        y = self.end_block(self.upsample(inner))
        result: Tensor = self.ConcatConv(torch.cat((x, y), dim=1))
        return result


def spectrum_network(config: FfcSeConfig) -> nn.Sequential:
    """[B, 2, F, N] -> [B, 2, F, N], real and imaginary parts of a spectrogram.

    F and N are multiples of `frames_per_step`.
    """
    width = config.num_channels
    middle: nn.Module = _blocks(config, config.num_halvings)
    for level in reversed(range(config.num_halvings)):
        if config.mode == "unet":
            middle = SkipLevel(config, level, middle)
        else:
            middle = AutoencoderLevel(config.channels_at(level), middle)
    first: nn.Module = _outermost(2, width, bias=config.mode == "ae")
    if config.mode == "ae":
        first = nn.Sequential(first, nn.ReLU(inplace=True))
    return nn.Sequential(first, middle, _outermost(width, 2, bias=False))


def _outermost(num_in: int, num_out: int, *, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(num_in, num_out, 7, padding=3, padding_mode="reflect", bias=bias)


def _blocks(config: FfcSeConfig, level: int) -> nn.Sequential:
    width, num_global = config.channels_at(level), config.num_global(level)
    return nn.Sequential(
        *(ResidualBlock(width, num_global) for _ in range(config.blocks_at(level)))
    )


def _norm_and_activation(num_channels: int) -> nn.Sequential:
    return nn.Sequential(ChannelAffine(num_channels), nn.ReLU(inplace=True))
