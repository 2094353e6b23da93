"""Meta-TasNet: TasNets at three rates, whose layers another network makes for each stem.

Samuel, Ganeshan, Naradowsky, "Meta-learning extractors for music source separation" (2020),
arXiv:2002.07016. What a stage has found goes into the masks of the next, at twice the rate
(section 2.3).

Estimates learned by their direction alone; the authors' program gives each of a song's stems the
factor with which their sum comes nearest to the song. Norms are over all that is heard: for the
authors' program an eighth of the song and 8 s on either side. Here it is 46 s, which is as much
for a song of four minutes, and neighbours share the 16 s.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import stft
from stemsplit.models.blocks.fitted_level import each_fitted_to
from stemsplit.models.metatasnet.config import MetaTasNetConfig
from stemsplit.models.metatasnet.layers import StemMasker
from stemsplit.models.metatasnet.rates import at_lower_rate
from stemsplit.models.spec import MUSDB18_STEMS, InputScaling, ModelSpec

_CHUNK_SECONDS, _OVERLAP_SECONDS = 46, 16
_SILENT = 1e-20
"""Keeps what is silent finite, and leaves the level of all else as it is."""
_SPECTROGRAM_FLOOR = 1e-8
_FFT_SECONDS = 1024 / 8000


class MetaTasNet(nn.Module):
    """Mixture [B, 1, T] -> stems [B, S, 1, T], for any T.

    A T that is no whole number of steps, or too short for a spectrogram, goes on with silence.
    """

    def __init__(self, config: MetaTasNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(_Stage(config, index) for index in range(config.num_stages))
        self.spec = ModelSpec(
            family="metatasnet",
            stems=MUSDB18_STEMS,
            sample_rate=config.sample_rate,
            num_channels=1,
            chunking=ChunkPolicy(
                chunk_samples=_CHUNK_SECONDS * config.sample_rate,
                overlap_samples=_OVERLAP_SECONDS * config.sample_rate,
            ),
            scaling=InputScaling(centred=False, floor=_SILENT),
            paper="Samuel, Ganeshan, Naradowsky (2020), arXiv:2002.07016",
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples, step = mixture.shape[-1], self.config.samples_per_step
        longer = max(num_samples, int(_FFT_SECONDS * self.config.sample_rate) + 1)
        heard = F.pad(mixture.float(), (0, -(-longer // step) * step - num_samples))
        level = _level(heard)
        found: Tensor | None = None
        for index, stage in enumerate(self.stages):
            lower = at_lower_rate(heard, 1 << (self.config.num_stages - 1 - index))
            # The authors bring each rate's mixture to the same level.
            found = stage(lower * (level / (_level(lower) + _SILENT)), found)  # [B, S, D, N]
        decode = cast(_Stage, self.stages[-1]).decoder
        estimates = decode(found).float()[..., :num_samples]  # [B, S, T]
        return each_fitted_to(mixture.float(), estimates[:, :, None])  # [B, S, 1, T]


class _Stage(nn.Module):
    """A mixture [B, 1, T], and what the stage before has found -> features [B, S, D, N]."""

    def __init__(self, config: MetaTasNetConfig, index: int) -> None:
        super().__init__()
        num_filters = config.num_filters << index
        num_before = num_filters // 2 if index else 0
        self.encoder = _Encoder(config, index)
        self.decoder = _Decoder(config, index)
        self.mask = StemMasker(config, num_filters + num_before, num_filters)
        self.instrument_embedding = nn.Embedding(len(MUSDB18_STEMS), config.stem_features)

    def forward(self, mixture: Tensor, before: Tensor | None) -> Tensor:
        stems = self.instrument_embedding.weight  # [S, E]
        features: Tensor = self.encoder(mixture)  # [B, D, N]
        masks: Tensor = self.mask(stems, features, before)
        return masks.mul_(features[:, None])


class _Encoder(nn.Module):
    """Waveform [B, 1, T] -> features [B, D, N] of windows of several lengths, and of a spectrogram.

    N = T / hop.
    """

    def __init__(self, config: MetaTasNetConfig, index: int) -> None:
        super().__init__()
        num_filters = config.num_filters << index
        self.spectrogram = _Spectrogram(config, index)
        self.filters = nn.ModuleList(
            nn.Conv1d(1, num_filters // 4, length, hop, (length - hop) // 2, bias=False)
            for length, hop in _windows(config, index)
        )
        num_in = config.num_mels + config.num_window_lengths * (num_filters // 4)
        self.bottleneck = nn.Sequential(
            nn.Conv1d(num_in, num_filters, 1, bias=False),
            nn.ReLU(),
            nn.Conv1d(num_filters, num_filters, 1, bias=False),
        )

    def forward(self, mixture: Tensor) -> Tensor:
        # Features of the same number stand together, one of each length.
        windows = torch.stack([layer(mixture) for layer in self.filters], dim=2).flatten(1, 2)
        mels = self.spectrogram(mixture, windows.shape[-1])
        features: Tensor = self.bottleneck(torch.cat((F.relu_(windows), mels), dim=1))
        return features


class _Decoder(nn.Module):
    """Features [B, S, D, N] -> waveforms [B, S, T]."""

    def __init__(self, config: MetaTasNetConfig, index: int) -> None:
        super().__init__()
        num_filters = config.num_filters << index
        self._widths = [num_filters >> (length + 1) for length in range(config.num_window_lengths)]
        # Products for each step; convolutions in name, which checkpoints have.
        self.bottleneck = nn.Sequential(
            nn.ConvTranspose1d(num_filters, sum(self._widths), 1, bias=False), nn.ReLU()
        )
        self.filters = nn.ModuleList(
            nn.ConvTranspose1d(width, 1, length, hop, (length - hop) // 2, bias=False)
            for width, (length, hop) in zip(self._widths, _windows(config, index), strict=True)
        )

    def forward(self, features: Tensor) -> Tensor:
        parts = self.bottleneck(features.flatten(0, 1)).split(self._widths, dim=1)
        waveforms = [layer(part) for layer, part in zip(self.filters, parts, strict=True)]
        return torch.unflatten(sum(waveforms[1:], waveforms[0])[:, 0], 0, features.shape[:2])


def _windows(config: MetaTasNetConfig, index: int) -> list[tuple[int, int]]:
    """Lengths and hop of the windows of a stage's transform, which lie around their hops."""
    scale = 1 << index
    return [
        (scale * (config.window_samples << each), scale * config.hop_length)
        for each in range(config.num_window_lengths)
    ]


class _Spectrogram(nn.Module):
    """Waveform [B, 1, T] -> features [B, D, N] of its loudness in bins, for any N."""

    def __init__(self, config: MetaTasNetConfig, index: int) -> None:
        super().__init__()
        self._n_fft = 1024 * ((config.base_rate << index) // 8000)
        num_bins = self._n_fft // 2 + 1
        self.mean = nn.Parameter(torch.empty(1, num_bins, 1))
        self.std = nn.Parameter(torch.empty(1, num_bins, 1))
        self.affine_bias = nn.Parameter(torch.empty(1, num_bins, 1))
        self.affine_scale = nn.Parameter(torch.empty(1, num_bins, 1))
        self.mel_transform = nn.Conv1d(num_bins, config.num_mels, 1)

    def forward(self, mixture: Tensor, num_steps: int) -> Tensor:
        spectrogram = stft(
            mixture[:, 0], n_fft=self._n_fft, hop_length=self._n_fft // 4, normalized=False
        )  # [B, F, N']
        power = spectrogram.real.square() + spectrogram.imag.square()
        loudness = (torch.log10(power + _SPECTROGRAM_FLOOR) - self.mean) / self.std
        mels = self.mel_transform(loudness * self.affine_scale + self.affine_bias)
        return F.interpolate(mels, size=num_steps, mode="linear", align_corners=True)


def _level(signal: Tensor) -> Tensor:
    """The deviation [B, 1, 1] of a signal [B, 1, T]."""
    return signal.std(dim=-1, keepdim=True)
