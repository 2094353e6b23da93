"""Encoder and decoder layers of the hybrid U-Net, for waveforms and for spectrograms."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import DConv, DConvConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerConfig:
    """One level of the U-Net: the encoder layer going down and the decoder layer coming up."""

    in_channels: int
    """What the encoder layer takes."""
    channels: int
    """What the encoder layer gives, and the decoder layer takes."""
    out_channels: int
    """What the decoder layer gives."""
    kernel_size: int
    stride: int
    padding: int
    on_frequency: bool
    """Strided over frequency, with tensors [B, D, F, N]; otherwise over time, with [B, D, T]."""
    bare: bool
    """Only the strided convolution: where the waveform branch runs into the other one."""
    outermost: bool
    rewrite: bool
    encoder_context: int
    decoder_context: int
    norm_groups: int
    """0: no normalisation."""
    encoder_dconv: DConvConfig | None
    decoder_dconv: DConvConfig | None


class EncoderLayer(nn.Module):
    """Shortens time or frequency by the stride: [B, D, T] or [B, D, F, N], with more features."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.config = config
        channels, context = config.channels, config.encoder_context
        if config.on_frequency:
            self.conv: nn.Module = nn.Conv2d(
                config.in_channels,
                channels,
                (config.kernel_size, 1),
                (config.stride, 1),
                (config.padding, 0),
            )
        else:
            self.conv = nn.Conv1d(
                config.in_channels, channels, config.kernel_size, config.stride, config.padding
            )
        if config.bare:
            return
        self.norm1 = _norm(config.norm_groups, channels)
        self.dconv = _dconv(channels, config.encoder_dconv)
        self.rewrite = _rewrite(channels, context, config=config)
        self.norm2 = _norm(config.norm_groups if config.rewrite else 0, 2 * channels)

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:
        """`inject` [B, D, T] is the waveform branch, added where the branches merge."""
        config = self.config
        if not config.on_frequency:
            if x.ndim == 4:  # the first layer after the branches have merged: one bin is left
                x = x.flatten(1, 2)  # [B, D, N]
            x = F.pad(x, (0, -x.shape[-1] % config.stride))
        y: Tensor = self.conv(x)
        if config.bare:
            return y
        if inject is not None:
            y = y + inject[:, :, None]
        y = F.gelu(self.norm1(y))
        y = _over_time(self.dconv, y)
        return F.glu(self.norm2(self.rewrite(y)), dim=1) if config.rewrite else y

    def exactly(self, x: Tensor) -> Tensor:
        """What the layer makes of x, in float64; several times as slow."""
        y: Tensor = copy.deepcopy(self).double()(x.double())
        return y


class DecoderLayer(nn.Module):
    """Undoes the stride of the encoder layer of the same level."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        if config.on_frequency:
            self.conv_tr: nn.Module = nn.ConvTranspose2d(
                channels, config.out_channels, (config.kernel_size, 1), (config.stride, 1)
            )
        else:
            self.conv_tr = nn.ConvTranspose1d(
                channels, config.out_channels, config.kernel_size, config.stride
            )
        self.norm2 = _norm(config.norm_groups, config.out_channels)
        if config.bare:
            return
        self.rewrite = _rewrite(channels, config.decoder_context, config=config)
        self.norm1 = _norm(config.norm_groups if config.rewrite else 0, 2 * channels)
        self.dconv = _dconv(channels, config.decoder_dconv)

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """The layer's output, cut to `length` along time, and what its last convolution read.

        A bare layer has no use for `skip`.
        """
        config = self.config
        if config.on_frequency and x.ndim == 3:  # the last layer before the branches part
            x = x[:, :, None]  # [B, D, 1, N]
        y = x
        if not config.bare:
            y = x + skip
            if config.rewrite:
                y = F.glu(self.norm1(self.rewrite(y)), dim=1)
            y = _over_time(self.dconv, y)
        z: Tensor = self.norm2(self.conv_tr(y))
        if config.on_frequency:
            z = z[..., config.padding : z.shape[-2] - config.padding, :]
        else:
            z = z[..., config.padding : config.padding + length]
        return (z if config.outermost else F.gelu(z)), y


class ScaledEmbedding(nn.Module):
    """One learned vector per bin, [D, F, 1], stored smaller than used by a factor `scale`."""

    def __init__(self, num_bins: int, channels: int, *, scale: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_bins, channels)
        self.scale = scale

    def forward(self, num_bins: int) -> Tensor:
        vectors = self.embedding.weight[:num_bins] * self.scale  # [F, D]
        return vectors.t()[..., None]  # [D, F, 1]


def _over_time(layer: nn.Module, x: Tensor) -> Tensor:
    """`layer`, which takes [B, D, T], on x; the bins of [B, D, F, N] become items of the batch."""
    if x.ndim == 3 or isinstance(layer, nn.Identity):
        y: Tensor = layer(x)
        return y
    num_items, _, num_bins, _ = x.shape
    rows = x.transpose(1, 2).flatten(0, 1)  # [B * F, D, N]
    y = layer(rows)
    return torch.unflatten(y, 0, (num_items, num_bins)).transpose(1, 2)  # [B, D, F, N]


def _norm(num_groups: int, channels: int) -> nn.Module:
    return nn.GroupNorm(num_groups, channels) if num_groups else nn.Identity()


def _dconv(channels: int, config: DConvConfig | None) -> nn.Module:
    return nn.Identity() if config is None else DConv(channels, config)


def _rewrite(channels: int, context: int, *, config: LayerConfig) -> nn.Module:
    if not config.rewrite:
        return nn.Identity()
    convolution = nn.Conv2d if config.on_frequency else nn.Conv1d
    return convolution(channels, 2 * channels, 1 + 2 * context, padding=context)
