"""Demucs: a U-Net on the waveform. Défossez et al. (2019), arXiv:1911.13254.

This is its third generation, with residual branches in place of the LSTM at the bottom (which
checkpoints may still ask for). Modules are addressed by their position in a layer, since that is
how published checkpoints name them: they load strictly, with no renaming.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.dconv import DConv, DConvConfig
from stemsplit.models.blocks.sequence import BLSTM
from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.demucs.config import DemucsConfig
from stemsplit.models.demucs.double_rate import downsample_by_two, upsample_by_two
from stemsplit.models.self_test import self_test_signals
from stemsplit.models.spec import InputScaling, ModelSpec

_MAX_MIN_LENGTH_SAMPLES = 1 << 26
_PROBE_SAMPLES = 16384


class UNetLevel(nn.Sequential):
    """The layers of one level, one after the other: [B, D, T] -> [B, D', T']."""


class Demucs(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T that leaves no sample over in any layer."""

    def __init__(self, config: DemucsConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        outer = config.num_channels
        for index, inner in enumerate(_widths(config)):
            self.encoder.append(_encoder_layer(config, index, outer, inner))
            self.decoder.insert(0, _decoder_layer(config, index, inner, outer))
            outer = inner
        self.lstm = BLSTM(outer, num_layers=config.lstm_layers) if config.lstm_layers else None

    def forward(self, mixture: Tensor) -> Tensor:
        config = self.config
        num_samples = mixture.shape[-1]
        if self.spec.chunking.fitted_length(num_samples) != num_samples:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")
        mixture = mixture.float()
        # Statistics are taken of the mono mix, in float32 even where autocast is on.
        scaled = standardize(mixture, statistics_of=mixture.mean(dim=1, keepdim=True))
        x = scaled.values if config.normalize else mixture

        x = self._run_layers(x)
        x = torch.unflatten(x.float(), 1, (len(config.stems), -1))  # [B, S, C, T]
        return x * scaled.std[:, None] + scaled.mean[:, None] if config.normalize else x

    def probe(self, device: torch.device | str = "cpu") -> Tensor:
        """What all layers together make of the signals of the self-test, [3, S * C, T].

        `device` is the one that the network is on.
        """
        num_samples = self.spec.chunking.fitted_length(_PROBE_SAMPLES)
        signals = self_test_signals(self.config.num_channels, num_samples)  # [3, C, T]
        return self._run_layers(standardize(signals.to(device)).values)

    def _run_layers(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, S * C, T]."""
        if self.config.resample:
            x = upsample_by_two(x)  # [B, C, 2T]
        skips: list[Tensor] = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        if self.lstm is not None:
            x = self.lstm(x)
        for decode in self.decoder:
            x = decode(x + skips.pop())
        return downsample_by_two(x) if self.config.resample else x


def _widths(config: DemucsConfig) -> Iterator[int]:
    width = config.channels
    for index in range(config.depth):
        if width > MAX_LAYER_CHANNELS:
            raise ValueError(f"layer {index} would have {width} channels")
        yield width
        width = int(config.growth * width)


def _encoder_layer(config: DemucsConfig, index: int, outer: int, inner: int) -> UNetLevel:
    layers: list[nn.Module] = [
        nn.Conv1d(outer, inner, config.kernel_size, config.stride),
        _norm(config, index, inner),
        _activation(config),
    ]
    if config.dconv_in_encoder:
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
    if config.dconv_in_decoder:
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


def _spec(config: DemucsConfig) -> ModelSpec:
    min_length, length_step = _fitting_lengths(config)
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


def _fitting_lengths(config: DemucsConfig) -> tuple[int, int]:
    """The smallest length that leaves no sample over in any layer, and the step to the next ones.

    A layer that gives n steps has read (n - 1) * stride + kernel. Starting from one step at the
    bottom gives the smallest length; each further step adds the product of all strides.
    """
    length, step = 1, 1
    for _ in range(config.depth):
        length = (length - 1) * config.stride + config.kernel_size
        step *= config.stride
    if config.resample:
        if length % 2 or step % 2:
            raise ValueError("the layers' lengths are odd, which twice the sample rate never is")
        length, step = length // 2, step // 2
    if max(length, step) > _MAX_MIN_LENGTH_SAMPLES:
        raise ValueError(f"it would read at least {max(length, step)} samples at once")
    return length, step
