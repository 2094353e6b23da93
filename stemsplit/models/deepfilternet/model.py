"""DeepFilterNet3: gains for bands of the spectrum, and short filters for the bins of the voice.

Schröter, Rosenkranz, Escalante-B., Maier, "DeepFilterNet: perceptually motivated real-time speech
enhancement" (Interspeech 2023), arXiv:2305.08227, and "DeepFilterNet2: towards real-time speech
enhancement on embedded devices for full-band audio" (IWAENC 2022), arXiv:2205.05474. Streams are
begun as the authors' program for live sound begins them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.frame_stream import FrameStream
from stemsplit.models.blocks.stream import StreamingModule
from stemsplit.models.deepfilternet.config import DeepFilterNetConfig
from stemsplit.models.deepfilternet.features import (
    band_widths,
    decay_of,
    first_means,
    in_proportion,
    levels_above_mean,
    vorbis_window,
)
from stemsplit.models.deepfilternet.network import (
    INPUT_FRAMES,
    BandDecoder,
    FeatureEncoder,
    FilterDecoder,
)
from stemsplit.models.spec import ModelSpec

_CHUNK_SECONDS = 10


class DeepFilterNetState(NamedTuple):
    """What is remembered of a track, whose channels [B * C] are heard one by one."""

    frames: FrameStream
    """Of [B, T]."""
    mean_levels: Tensor
    """[B, bands]"""
    mean_magnitudes: Tensor
    """[B, F]"""
    levels: Tensor
    """[B, 1, 2, bands]: of the last frames, as the networks hear them."""
    bins: Tensor
    """[B, 2, 2, F]"""
    maps: Tensor
    """[B, D, 4, F]"""
    spectrum: Tensor
    """[B, 4, bins], complex: the frames of which the next ones are filtered."""
    memories: tuple[Tensor, Tensor, Tensor]
    """[levels, B, D] each: of the encoder, and of the decoders for bands and for filters."""


class DeepFilterNet(StreamingModule[DeepFilterNetState]):
    """Mixture [B, C, T] -> speech [B, 1, C, T]; T is a number of hops, look-ahead included."""

    def __init__(self, config: DeepFilterNetConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.spec = _spec(config)
        self._widths = band_widths(
            config.sample_rate, config.n_fft, config.num_bands, config.least_band_bins
        )
        self._decay = decay_of(config.hop_length, config.sample_rate, config.mean_seconds)
        self.encoder = FeatureEncoder(config)
        self.band_decoder = BandDecoder(config)
        self.filter_decoder = FilterDecoder(config)

    def start(self, mixture: Tensor, num_samples: int) -> DeepFilterNetState:  # noqa: ARG002
        """The memory before the first sample of a track like `mixture` [B, C, T]."""
        config, signals = self.config, mixture.float().flatten(0, 1)  # [B * C, T]
        num_signals, shared = len(signals), config.n_fft - config.hop_length
        earlier, zeros = INPUT_FRAMES - 1, signals.new_zeros
        levels, magnitudes = first_means(signals, config.num_bands, config.num_filtered)
        return DeepFilterNetState(
            frames=FrameStream.before(
                signals,
                frame_length=config.n_fft,
                hop_length=config.hop_length,
                num_silent=shared,
                num_early=shared + config.look_ahead * config.hop_length,
            ),
            mean_levels=levels,
            mean_magnitudes=magnitudes,
            levels=zeros(num_signals, 1, earlier, config.num_bands),
            bins=zeros(num_signals, 2, earlier, config.num_filtered),
            maps=zeros(
                num_signals, config.num_channels, config.path_frames - 1, config.num_filtered
            ),
            spectrum=zeros(
                num_signals, config.filter_order - 1, config.n_fft // 2 + 1, dtype=torch.complex64
            ),
            memories=(
                self.encoder.memory.start(signals),
                self.band_decoder.memory.start(signals),
                self.filter_decoder.memory.start(signals),
            ),
        )

    def advance(
        self, mixture: Tensor, state: DeepFilterNetState
    ) -> tuple[Tensor, DeepFilterNetState]:
        """Speech [B, 1, C, T'] and the memory after the next samples [B, C, T]."""
        n_fft, hop_length = self.config.n_fft, self.config.hop_length
        window = vorbis_window(n_fft, mixture.device)
        scale = n_fft**2 / (2 * hop_length)  # what means and features are in
        frames, stream = state.frames.cut(mixture.float().flatten(0, 1))  # [B * C, N, n_fft]
        spectrum = torch.fft.rfft(frames * window) / scale  # [B * C, N, F]
        enhanced, state = self._enhance(spectrum, state)
        added = torch.fft.irfft(enhanced, n_fft) * (window * n_fft)
        speech, stream = stream.add(added)  # [B * C, T']
        speech = torch.unflatten(speech, 0, mixture.shape[:2])
        return speech[:, None], state._replace(frames=stream)

    def _enhance(
        self, spectrum: Tensor, state: DeepFilterNetState
    ) -> tuple[Tensor, DeepFilterNetState]:
        """The spectrum [B, N, F] without noise, `look_ahead` frames late."""
        config, bins = self.config, spectrum[..., : self.config.num_filtered]
        levels, mean_levels = levels_above_mean(
            spectrum, self._widths, state.mean_levels, self._decay
        )
        proportions, mean_magnitudes = in_proportion(bins, state.mean_magnitudes, self._decay)
        levels, later_levels = _behind(state.levels, levels[:, None], dim=2)
        proportions, later_bins = _behind(state.bins, proportions, dim=2)
        heard, later_spectrum = _behind(state.spectrum, spectrum, dim=1)

        maps, first, embedding, memory = self.encoder(levels, proportions, state.memories[0])
        gains, of_bands = self.band_decoder(embedding, maps, state.memories[1])
        first, later_maps = _behind(state.maps, first.float(), dim=2)
        filters, of_filters = self.filter_decoder(embedding, first, state.memories[2])

        windows = heard[..., : config.num_filtered].unfold(1, config.filter_order, 1)
        filtered = (windows * filters).sum(-1)  # [B, N, F of [B, N, F, order]]
        begin = config.filter_order - 1 - config.look_ahead
        late = heard[:, begin : begin + spectrum.shape[1], config.num_filtered :]
        widths = torch.tensor(self._widths, device=gains.device)
        of_bins = gains.float().repeat_interleave(widths, dim=-1)[..., config.num_filtered :]
        enhanced = torch.cat((filtered, late * of_bins), dim=-1)
        return enhanced, state._replace(
            mean_levels=mean_levels,
            mean_magnitudes=mean_magnitudes,
            levels=later_levels,
            bins=later_bins,
            maps=later_maps,
            spectrum=later_spectrum,
            memories=(memory, of_bands, of_filters),
        )


def _behind(earlier: Tensor, fresh: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Both in a row along time, and as much of their end as came earlier."""
    both = torch.cat((earlier, fresh), dim=dim)
    return both, both.narrow(dim, both.shape[dim] - earlier.shape[dim], earlier.shape[dim])


def _check(config: DeepFilterNetConfig) -> None:
    if config.num_bands % 4:
        raise ValueError(f"{config.num_bands} bands cannot be halved twice")
    if config.n_fft % (2 * config.hop_length):
        raise ValueError(f"{config.n_fft} samples are no even number of hops")
    if config.look_ahead != config.band_look_ahead:
        raise ValueError(
            f"bands are decided {config.band_look_ahead} frames late, filters {config.look_ahead}"
        )
    if config.filter_order <= config.look_ahead:
        raise ValueError(f"filters of {config.filter_order} frames do not reach back to their own")


def _spec(config: DeepFilterNetConfig) -> ModelSpec:
    hop = config.hop_length
    return ModelSpec(
        family="deepfilternet",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=config.sample_rate,
        num_channels=1,
        chunking=ChunkPolicy.in_sequence(
            _CHUNK_SECONDS * config.sample_rate // hop * hop,
            look_ahead_samples=config.n_fft - hop + config.look_ahead * hop,
            length_step_samples=hop,
        ),
        scaling=None,
        paper="Schröter et al. (2023), arXiv:2305.08227",
    )
