"""CaC-TDC U-Net: a dense U-Net along the frequencies of each frame, spectrogram in and out.

Choi, Kim, Chung, Lee, Jung, "Investigating U-Nets with various intermediate blocks for
spectrogram-based singing voice separation", ISMIR 2020. Its blocks are "time-distributed
convolutions" (section 3): no frame knows of another, so frames are items of a batch here.

Published networks have a batch norm behind every convolution but the last. Those are folded into
the convolutions when weights are loaded, and there are none here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.channel_spectrogram import ChannelSpectrogram
from stemsplit.models.cac_tdc.config import CacTdcConfig
from stemsplit.models.spec import ModelSpec, counterpart_of

_MAPS = 4  # real and imaginary part, left and right


class CacTdc(nn.Module):
    """Mixture [B, C, T] -> stem [B, 1, C, T], for any T >= 1."""

    def __init__(self, config: CacTdcConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        num_bins = config.n_fft // 2 + 1
        if (num_bins - 1) % (1 << config.num_levels):
            raise ValueError(f"{num_bins - 1} bins cannot be halved {config.num_levels} times")
        if config.kernel_size % 2 == 0:
            raise ValueError(f"a kernel of {config.kernel_size} bins has no middle")
        # Frames outside the track hear silence: the reference has no such frames, and discards
        # what it makes of the samples that only they would reach.
        self._spectrogram = ChannelSpectrogram(
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            num_bins=num_bins,
            pad_mode="constant",
        )
        width, levels = config.num_channels, range(config.num_levels)
        self.first_conv = _convolution(_MAPS, width, 2)  # leaves an even number of bins
        self.encoders = nn.ModuleList(_DenseBlock(config, width) for _ in levels)
        self.downsampling = nn.ModuleList(_Sampling(nn.Conv1d(width, width, 2, 2)) for _ in levels)
        self.mid_block = _DenseBlock(config, width)
        self.upsampling = nn.ModuleList(
            _Sampling(nn.ConvTranspose1d(width, width, 2, 2)) for _ in levels
        )
        self.decoders = nn.ModuleList(_DenseBlock(config, 2 * width) for _ in levels)
        self.final_conv = nn.Sequential(nn.Conv1d(width, _MAPS, 2, padding=1))

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        to_full_hop = -num_samples % self.config.hop_length
        padded = F.pad(mixture.float(), (0, to_full_hop))
        maps = self._spectrogram.analyze(padded)  # [B, 4, N, F]
        frames = maps.transpose(1, 2).flatten(0, 1)  # [B * N, 4, F]
        estimate = self._run_layers(frames).float()
        maps = torch.unflatten(estimate, 0, (len(mixture), -1)).transpose(1, 2)  # [B, 4, N, F]
        stem = self._spectrogram.synthesize(maps, num_samples=num_samples + to_full_hop)
        return stem[:, None, :, :num_samples]  # [B, 1, C, T]

    def _run_layers(self, x: Tensor) -> Tensor:
        """[B * N, 4, F] -> [B * N, 4, F]."""
        x = self.first_conv(x)  # [B * N, D, F - 1]
        skips: list[Tensor] = []
        for encode, halve in zip(self.encoders, self.downsampling, strict=True):
            x = encode(x)
            skips.append(x)
            x = halve(x)
        x = self.mid_block(x)
        for double, decode in zip(self.upsampling, self.decoders, strict=True):
            x = decode(torch.cat([double(x), skips.pop()], dim=1))
        mapped: Tensor = self.final_conv(x)  # [B * N, 4, F]
        return mapped


class _DenseBlock(nn.Module):
    """Convolutions [B, D, F] -> [B, D', F] of which each hears the outputs of all before it."""

    def __init__(self, config: CacTdcConfig, in_channels: int) -> None:
        super().__init__()
        width, kernel = config.num_channels, config.kernel_size
        self.H = nn.ModuleList(
            _convolution(in_channels + index * width, width, kernel)
            for index in range(config.num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for index, convolve in enumerate(self.H):
            if index:
                x = torch.cat([y, x], dim=1)
            y = convolve(x)
        return y


def _convolution(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """A convolution and its ReLU; an odd kernel keeps the number of bins, an even one takes one."""
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv1d(in_channels, out_channels, kernel, padding=padding), nn.ReLU(inplace=True)
    )


class _Sampling(nn.Module):
    """Half or twice as many bins. The nested name is the checkpoints'."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        resampled: Tensor = self.conv(x)
        return resampled


def _spec(config: CacTdcConfig) -> ModelSpec:
    chunk_samples = config.read_samples - 2 * config.trim_samples
    if chunk_samples < 1:
        raise ValueError(
            f"of {config.read_samples} samples nothing is left when {config.trim_samples} are "
            "discarded on either side"
        )
    return ModelSpec(
        family="cac_tdc",
        stems=(config.stem,),
        residual_stem=counterpart_of(config.stem),
        sample_rate=config.sample_rate,
        num_channels=2,
        chunking=ChunkPolicy(
            chunk_samples=chunk_samples,
            overlap_samples=0,
            context_samples=config.trim_samples,
            tail="left",
            fixed_length=True,
            max_chunk_samples=chunk_samples,
        ),
        scaling=None,
        paper="Choi et al., ISMIR 2020, arXiv:1912.02591",
    )
