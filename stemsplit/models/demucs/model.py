"""Demucs: a U-Net on the waveform. Défossez et al. (2019), arXiv:1911.13254.

This is its third generation, with residual branches in place of the LSTM at the bottom (which
checkpoints may still ask for). Modules are addressed by their position in a layer, since that is
how published checkpoints name them: they load strictly, with no renaming.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.dconv import DConv, DConvConfig
from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.demucs.config import DemucsConfig
from stemsplit.models.demucs.time_unet import TimeUNet, fitting_lengths, widths
from stemsplit.models.self_test import self_test_signals
from stemsplit.models.spec import InputScaling, ModelSpec

_PROBE_SAMPLES = 16384


class UNetLevel(nn.Sequential):
    """The layers of one level, one after the other: [B, D, T] -> [B, D', T']."""


class Demucs(TimeUNet):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T that leaves no sample over in any layer."""

    config: DemucsConfig

    def __init__(self, config: DemucsConfig) -> None:
        super().__init__(
            config,
            (
                (
                    _encoder_layer(config, index, outer, inner),
                    _decoder_layer(config, index, inner, outer),
                )
                for index, (outer, inner) in enumerate(widths(config))
            ),
            fitting_lengths(config, num_steps=1),
        )
        self.spec = _spec(config, self.lengths)

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """What all layers together make of the signals of the self-test, [3, S * C, T].

        `device` is the one that the network is on.
        """
        num_samples = self.spec.chunking.fitted_length(_PROBE_SAMPLES)
        signals = self_test_signals(self.config.num_channels, num_samples)  # [3, C, T]
        return self._run_layers(standardize(signals.to(device)).values)


def _encoder_layer(config: DemucsConfig, index: int, outer: int, inner: int) -> UNetLevel:
    layers: list[nn.Module] = [
        nn.Conv1d(outer, inner, config.kernel_size, config.stride),
        _norm(config, index, inner),
        _activation(config),
    ]
    if config.dconv_mode & 1:
        layers.append(_dconv(config, index, inner))
    if config.rewrite:
        layers += _rewrite(config, index, inner, context=0)
    return UNetLevel(*layers)


def _decoder_layer(config: DemucsConfig, index: int, inner: int, outer: int) -> UNetLevel:
    outermost = index == 0
    out_channels = outer * len(config.stems) if outermost else outer
    layers: list[nn.Module] = []
    if config.rewrite:
        layers += _rewrite(config, index, inner, context=config.context)
    if config.dconv_mode & 2:
        layers.append(_dconv(config, index, inner))
    layers.append(nn.ConvTranspose1d(inner, out_channels, config.kernel_size, config.stride))
    if not outermost:
        layers += [_norm(config, index, out_channels), _activation(config)]
    return UNetLevel(*layers)


def _rewrite(config: DemucsConfig, index: int, channels: int, *, context: int) -> list[nn.Module]:
    out_channels = 2 * channels if config.glu else channels
    return [
        nn.Conv1d(channels, out_channels, 2 * context + 1, padding=context),
        _norm(config, index, out_channels),
        nn.GLU(dim=1) if config.glu else nn.ReLU(),
    ]


def _norm(config: DemucsConfig, index: int, channels: int) -> nn.Module:
    if index < config.first_norm_layer:
        return nn.Identity()
    return nn.GroupNorm(config.norm_groups, channels)


def _activation(config: DemucsConfig) -> nn.Module:
    return nn.GELU() if config.gelu else nn.ReLU()


def _dconv(config: DemucsConfig, index: int, channels: int) -> DConv:
    return DConv(
        channels,
        DConvConfig(
            depth=config.dconv_depth,
            compress=config.dconv_compress,
            attention=index >= config.first_attention_layer,
            lstm=index >= config.first_lstm_layer,
        ),
    )


def _spec(config: DemucsConfig, lengths: tuple[int, int]) -> ModelSpec:
    min_length, length_step = lengths
    chunking = ChunkPolicy(
        chunk_samples=config.chunk_samples,
        overlap_samples=0,
        min_length_samples=min_length,
        length_step_samples=length_step,
    )
    return ModelSpec(
        family="demucs",
        stems=config.stems,
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=chunking.resized(overlap=0.25),
        scaling=InputScaling(),
        paper="Défossez et al. (2019), arXiv:1911.13254",
    )
