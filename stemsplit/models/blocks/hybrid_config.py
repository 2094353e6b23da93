"""What defines a hybrid U-Net, and the plan of its layers that follows from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.dconv import DConvConfig
from stemsplit.models.blocks.declared import arg, segment_arg
from stemsplit.models.blocks.hybrid_layers import LayerConfig

HYBRID_FIXED = {"cac": True, "multi_freqs": None}
"""Arguments of which only one value is implemented."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The hybrid U-Net of HDemucs and HTDemucs, with the latter's defaults."""

    stems: tuple[str, ...] = arg("sources")
    sample_rate: int = arg("samplerate", 44100, low=1000, high=768_000)
    num_channels: int = arg("audio_channels", 2, low=1, high=64)
    chunk_samples: int = segment_arg(10)
    channels: int = arg("channels", 48, low=1, high=4096)
    channels_time: int | None = arg("channels_time", low=1, high=4096)
    growth: float = arg("growth", 2, low=1, high=16)
    n_fft: int = arg("nfft", 4096, low=16, high=65536)
    depth: int = arg("depth", 4, low=1, high=16)
    kernel_size: int = arg("kernel_size", 8, low=2, high=128)
    stride: int = arg("stride", 4, low=2, high=64)
    time_stride: int = arg("time_stride", 2, low=2, high=64)
    """Stride of the layers after the branches have merged."""
    rewrite: bool = arg("rewrite", True)
    encoder_context: int = arg("context_enc", 0, low=0, high=16)
    decoder_context: int = arg("context", 1, low=0, high=16)
    embedding_weight: float = arg("freq_emb", 0.2, low=0, high=1e6)
    """How much of the frequency embedding is added; 0: there is none."""
    embedding_scale: float = arg("emb_scale", 10, low=0, high=1e6)
    first_norm_layer: int = arg("norm_starts", 4, low=0, high=1_000_000)
    norm_groups: int = arg("norm_groups", 4, low=1, high=4096)
    dconv_mode: int = arg("dconv_mode", 1, low=0, high=3)
    """1: residual branches in encoders, 2: in decoders, 3: in both."""
    dconv_depth: int = arg("dconv_depth", 2, low=-8, high=8)
    dconv_compress: float = arg("dconv_comp", 8, low=1, high=4096)
    first_attention_layer: int = sys.maxsize
    first_lstm_layer: int = sys.maxsize
    zero_padded: bool = False
    """Trained with silence, not with a reflection, beyond the ends of what it sees."""

    @property
    def time_channels(self) -> int:
        return self.channels if self.channels_time is None else self.channels_time


class LevelConfig(NamedTuple):
    """One level of the U-Net. The waveform branch has no layer once the branches have merged."""

    main: LayerConfig
    waveform: LayerConfig | None
    num_bins: int
    """Bins that the encoder layer gives."""


def plan_levels(config: UNetConfig) -> Iterator[LevelConfig]:
    """The levels from the outermost inwards.

    The spectrogram's bins are divided by the stride until a single layer can take all that are
    left. There the waveform, which was shortened at the same pace, has as many steps as the
    spectrogram has frames; the branches merge, and further layers stride over time.

    Raises:
        ValueError: the branches would not line up, or a layer would be absurdly wide.
    """
    if config.kernel_size != 2 * config.stride or config.stride % 2 or config.time_stride % 2:
        raise ValueError("strides must be even, and the kernel twice the stride")
    if config.n_fft % 8:
        raise ValueError(f"an n_fft of {config.n_fft} is not a multiple of 8")
    main_in, waveform_in = 2 * config.num_channels, config.num_channels
    main, waveform = config.channels, config.time_channels
    num_bins = config.n_fft // 2
    for index in range(config.depth):
        on_frequency = num_bins > 1
        merges = on_frequency and num_bins <= config.kernel_size
        if on_frequency:
            _check_bins(config, num_bins)
        if merges:
            main = waveform = max(main, waveform)
        if max(main, waveform) > MAX_LAYER_CHANNELS:
            raise ValueError(f"layer {index} would have {max(main, waveform)} channels")
        main_layer = _layer(config, index, main_in, main, on_frequency=on_frequency, merges=merges)
        waveform_layer = (
            _waveform_layer(config, index, waveform_in, waveform, merges=merges)
            if on_frequency
            else None
        )
        num_bins = 1 if num_bins <= config.kernel_size else num_bins // config.stride
        yield LevelConfig(main_layer, waveform_layer, num_bins)
        main_in, waveform_in = main, waveform
        main, waveform = int(config.growth * main), int(config.growth * waveform)


def _check_bins(config: UNetConfig, num_bins: int) -> None:
    merges = num_bins <= config.kernel_size
    if num_bins != config.kernel_size if merges else num_bins % config.stride:
        raise ValueError(
            f"the branches do not line up: strides of {config.stride} leave {num_bins} bins "
            f"of an n_fft of {config.n_fft}"
        )


def _layer(
    config: UNetConfig,
    index: int,
    in_channels: int,
    channels: int,
    *,
    on_frequency: bool,
    merges: bool,
) -> LayerConfig:
    stride = config.stride if on_frequency else config.time_stride
    normed = index >= config.first_norm_layer
    dconv = DConvConfig(
        depth=config.dconv_depth,
        compress=config.dconv_compress,
        attention=index >= config.first_attention_layer,
        lstm=index >= config.first_lstm_layer,
    )
    return LayerConfig(
        in_channels=in_channels,
        channels=channels,
        out_channels=in_channels * (len(config.stems) if index == 0 else 1),
        kernel_size=2 * stride,
        stride=stride,
        padding=0 if merges else stride // 2,
        on_frequency=on_frequency,
        bare=False,
        outermost=index == 0,
        rewrite=config.rewrite,
        encoder_context=config.encoder_context,
        decoder_context=config.decoder_context,
        norm_groups=config.norm_groups if normed else 0,
        encoder_dconv=dconv if config.dconv_mode & 1 else None,
        decoder_dconv=dconv if config.dconv_mode & 2 else None,
    )


def _waveform_layer(
    config: UNetConfig, index: int, in_channels: int, channels: int, *, merges: bool
) -> LayerConfig:
    layer = _layer(config, index, in_channels, channels, on_frequency=False, merges=False)
    return replace(
        layer,
        kernel_size=config.kernel_size,
        stride=config.stride,
        padding=config.stride // 2,
        bare=merges,
    )
