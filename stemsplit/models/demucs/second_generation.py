"""Demucs as it was first published for waveforms alone. Défossez et al. (2019), arXiv:1911.13254.

An LSTM at the bottom, ReLUs, no norms, and decoders that hear the neighbouring steps without any
padding: what leaves the network is shorter than what enters it. Modules are addressed by their
position in a layer, since that is how published checkpoints name them.
"""

from __future__ import annotations

from torch import nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.demucs.config import DemucsV2Config
from stemsplit.models.demucs.time_unet import TimeUNet, fitting_lengths, widths
from stemsplit.models.spec import InputScaling, ModelSpec

_MAX_READ_SAMPLES = 1 << 27


class DemucsV2(TimeUNet):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T that leaves no sample over in any layer.

    The network gives fewer samples than it hears.
    """

    config: DemucsV2Config

    def __init__(self, config: DemucsV2Config) -> None:
        super().__init__(
            config,
            (
                (_encoder_layer(config, outer, inner), _decoder_layer(config, index, inner, outer))
                for index, (outer, inner) in enumerate(widths(config))
            ),
            fitting_lengths(config, num_steps=config.context),
        )
        self.spec = _spec(config, self.lengths)


def _encoder_layer(config: DemucsV2Config, outer: int, inner: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv1d(outer, inner, config.kernel_size, config.stride),
        nn.ReLU(),
    ]
    if config.rewrite:
        layers += _rewrite(config, inner, context=1)
    return nn.Sequential(*layers)


def _decoder_layer(config: DemucsV2Config, index: int, inner: int, outer: int) -> nn.Sequential:
    out_channels = outer if index else outer * len(config.stems)
    layers = _rewrite(config, inner, context=config.context) if config.rewrite else []
    layers.append(nn.ConvTranspose1d(inner, out_channels, config.kernel_size, config.stride))
    if index:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _rewrite(config: DemucsV2Config, channels: int, *, context: int) -> list[nn.Module]:
    out_channels = 2 * channels if config.glu else channels
    return [
        nn.Conv1d(channels, out_channels, context),
        nn.GLU(dim=1) if config.glu else nn.ReLU(),
    ]


def _margin(config: DemucsV2Config) -> int:
    """How many samples, on either side together, the network hears and does not give.

    A decoder gives context - 1 steps fewer than it hears, each of which is as many samples as all
    strides from there upwards multiply to.
    """
    scales: list[int] = [config.stride**level for level in range(1, config.depth + 1)]
    lost = (config.context - 1) * sum(scales)
    return lost // 2 if config.resample else lost


def _spec(config: DemucsV2Config, lengths: tuple[int, int]) -> ModelSpec:
    shortest, step = lengths
    chunking = ChunkPolicy(
        chunk_samples=config.chunk_samples,
        overlap_samples=0,
        context_samples=-(-_margin(config) // 2),
        min_length_samples=shortest,
        length_step_samples=step,
        max_chunk_samples=config.chunk_samples,
    )
    read_samples = chunking.fitted_length(config.chunk_samples)
    if read_samples > _MAX_READ_SAMPLES:
        raise ValueError(f"it would read {read_samples} samples at once")
    return ModelSpec(
        family="demucs_v2",
        stems=config.stems,
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=chunking.resized(overlap=0.25),
        scaling=InputScaling(),
        paper="Défossez et al. (2019), arXiv:1911.13254",
    )
