"""MDX23C: a U-Net over spectrograms that gives all stems at once.

Kim, Lee, Jung, "Sound Demixing Challenge 2023 Music Demixing Track technical report: TFC-TDF-UNet
v3" (2023), arXiv:2306.09382. Its blocks mix "time and frequency by convolution, and frequency by a
distributed layer": every frame goes through the same two products over all of its bins.

Feature maps are [B, D, N, F] throughout, frames before bins. The published implementation turns
them over before and after its first and last convolutions, which see single points only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.blocks.channel_spectrogram import ChannelSpectrogram
from stemsplit.models.mdx23c.config import Mdx23cConfig

_MAX_FRAME_STEP = 4096


class Mdx23c(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for any T >= 1.

    A T that does not give whole frames in every level is continued with silence.
    """

    def __init__(self, config: Mdx23cConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.spec = config.run.spec(
            family="mdx23c",
            num_channels=config.num_audio_channels,
            paper="Kim, Lee, Jung (2023), arXiv:2306.09382",
        )
        self._spectrogram = ChannelSpectrogram(
            n_fft=config.n_fft, hop_length=config.hop_length, num_bins=config.num_bins
        )
        maps = config.num_subbands * config.num_audio_channels * 2
        width, growth = config.num_channels, config.growth
        bins = config.num_bins // config.num_subbands
        self.first_conv = _pointwise(maps, width)
        self.encoder_blocks = nn.ModuleList()
        for _ in range(config.num_levels):
            self.encoder_blocks.append(_EncoderBlock(config, width, bins))
            width, bins = width + growth, bins // config.scales[1]
        self.bottleneck_block = _BlockRow(config, width, width, bins)
        self.decoder_blocks = nn.ModuleList()
        for _ in range(config.num_levels):
            width, bins = width - growth, bins * config.scales[1]
            self.decoder_blocks.append(_DecoderBlock(config, width, bins))
        self.final_conv = nn.Sequential(
            _pointwise(width + maps, width),
            _activation(config),
            _pointwise(width, len(config.run.stems) * maps),
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        fitted_length = self._spectrogram.fitted_length(
            num_samples,
            frame_step=self.config.scales[0] ** self.config.num_levels,
            min_steps=2,  # a single frame in the lowest level would be normalised to nothing
        )
        padded = F.pad(mixture.float(), (0, fitted_length - num_samples))
        maps = self._spectrogram.analyze(padded)  # [B, 2C, N, F]
        estimates = self._run_layers(maps).float()
        stems = self._spectrogram.synthesize(estimates, num_samples=padded.shape[-1])
        return stems[..., :num_samples]  # [B, S, C, T]

    def _run_layers(self, maps: Tensor) -> Tensor:
        """[B, 2C, N, F] -> [B, S, 2C, N, F]."""
        bands = self.config.num_subbands
        mixture = torch.unflatten(maps, -1, (bands, -1))  # [B, 2C, N, bands, F']
        mixture = mixture.movedim(3, 2).flatten(1, 2)  # [B, 2C * bands, N, F']
        gate = x = self.first_conv(mixture)  # [B, D, N, F']
        skips: list[Tensor] = []
        for encode in self.encoder_blocks:
            x, skip = encode(x)
            skips.append(skip)
        x = self.bottleneck_block(x)
        for decode in self.decoder_blocks:
            x = decode(x, skips.pop())
        x = self.final_conv(torch.cat([mixture, x * gate], dim=1))  # [B, S * 2C * bands, N, F']
        x = torch.unflatten(x, 1, (len(self.config.run.stems), -1, bands))
        return x.movedim(3, 4).flatten(-2)  # [B, S, 2C, N, F]


class _EncoderBlock(nn.Module):
    """[B, D, N, F] -> the next level's [B, D + growth, N / scale, F / scale], and the skip."""

    def __init__(self, config: Mdx23cConfig, width: int, bins: int) -> None:
        super().__init__()
        self.tfc_tdf = _BlockRow(config, width, width, bins)
        scale = config.scales
        self.downscale = _Scale(
            config, width, nn.Conv2d(width, width + config.growth, scale, scale, bias=False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip: Tensor = self.tfc_tdf(x)
        return self.downscale(skip), skip


class _DecoderBlock(nn.Module):
    """[B, D + growth, N / scale, F / scale] and the skip [B, D, N, F] -> [B, D, N, F]."""

    def __init__(self, config: Mdx23cConfig, width: int, bins: int) -> None:
        super().__init__()
        inner = width + config.growth
        scale = config.scales
        self.upscale = _Scale(
            config, inner, nn.ConvTranspose2d(inner, width, scale, scale, bias=False)
        )
        self.tfc_tdf = _BlockRow(config, 2 * width, width, bins)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        decoded: Tensor = self.tfc_tdf(torch.cat([self.upscale(x), skip], dim=1))
        return decoded


class _BlockRow(nn.Module):
    """Blocks in a row: [B, D, N, F] -> [B, D', N, F]."""

    def __init__(self, config: Mdx23cConfig, in_channels: int, width: int, bins: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _Block(config, width if index else in_channels, width, bins)
            for index in range(config.num_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class _Block(nn.Module):
    def __init__(self, config: Mdx23cConfig, in_channels: int, width: int, bins: int) -> None:
        super().__init__()
        hidden = bins // config.bottleneck_factor
        self.tfc1 = _before(
            config, in_channels, nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        )
        self.tdf = nn.Sequential(
            *_before(config, width, nn.Linear(bins, hidden, bias=False)),
            *_before(config, width, nn.Linear(hidden, bins, bias=False)),
        )
        self.tfc2 = _before(config, width, nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.shortcut = _pointwise(in_channels, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.tfc1(x)
        y = self.tfc2(y + self.tdf(y))
        y += self.shortcut(x)
        return y


class _Scale(nn.Module):
    """A change of resolution. The nested name is the checkpoints'."""

    def __init__(self, config: Mdx23cConfig, in_channels: int, layer: nn.Module) -> None:
        super().__init__()
        self.conv = _before(config, in_channels, layer)

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.conv(x)
        return scaled


def _before(config: Mdx23cConfig, width: int, layer: nn.Module) -> nn.Sequential:
    """The layer with a norm and an activation in front of it."""
    return nn.Sequential(_norm(config, width), _activation(config), layer)


def _norm(config: Mdx23cConfig, width: int) -> nn.Module:
    if config.norm == "InstanceNorm":
        return nn.InstanceNorm2d(width, affine=True)
    if config.norm == "GroupNorm":
        return nn.GroupNorm(config.num_norm_groups, width)
    return ChannelAffine(width)


def _activation(config: Mdx23cConfig) -> nn.Module:
    if config.activation == "elu":
        return nn.ELU(config.elu_alpha)
    return nn.GELU() if config.activation == "gelu" else nn.ReLU()


def _pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


def _check(config: Mdx23cConfig) -> None:
    widest = config.num_channels + config.num_levels * config.growth
    maps = config.num_subbands * config.num_audio_channels * 2
    if max(2 * widest, maps * len(config.run.stems)) > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {max(2 * widest, maps)} channels or more")
    frame_scale, bin_scale = config.scales
    cut = config.num_subbands * bin_scale**config.num_levels
    if config.num_bins % cut:
        raise ValueError(f"{config.num_bins} bins do not divide by {cut}")
    if frame_scale**config.num_levels > _MAX_FRAME_STEP:
        raise ValueError(f"frames are divided by {frame_scale}, {config.num_levels} times")
    if config.num_bins // cut < config.bottleneck_factor:
        raise ValueError(
            f"the lowest level's {config.num_bins // cut} bins leave nothing when divided by the "
            f"bottleneck factor {config.bottleneck_factor}"
        )
