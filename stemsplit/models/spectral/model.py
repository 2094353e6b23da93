"""A separator without weights: four kinds of sound told apart by how they look in a spectrogram.

| stem   | what is assumed of it                                                    |
|--------|--------------------------------------------------------------------------|
| drums  | sudden; broad in frequency, except for the kick                          |
| bass   | not sudden; low; in the centre                                           |
| vocals | not sudden; above the bass; in the centre; never still for long          |
| other  | the rest: what stands still for long, and what is off the centre         |

Papers: D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.
J. Driedger, M. Müller, S. Disch, "Extending harmonic-percussive separation of audio signals",
ISMIR 2014. C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes",
WASPAA 2003. H. Tachibana, N. Ono, S. Sagayama, "Singing voice enhancement in monaural music signals
based on two-stage harmonic/percussive sound separation on multiple resolution spectrograms",
IEEE/ACM TASLP 22(1), 2014: next to slow accompaniment a voice looks percussive, next to drums it
looks harmonic. Two lengths of median take the place of its two resolutions here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.median import running_median
from stemsplit.models.spec import ModelSpec
from stemsplit.models.spectral.config import MedianWindow, SpectralConfig

_STEMS = ("drums", "bass", "other", "vocals")

_CHUNK_SECONDS = 20
_OVERLAP_SECONDS = 2  # one `standing` window: what a chunk does not know of its neighbour

_TINY = 1e-20
"""Power below anything audible in float audio (a bin of noise at -150 dBFS has 1e-12)."""


class SpectralSeparator(nn.Module):
    """Estimates [B, S, C, T] of drums, bass, other and vocals for a stereo mixture [B, C, T].

    Any T of at least 1 will do. The estimates sum to the mixture: `other` is what the three masks
    leave over, which costs one inverse transform less than a mask of its own and is the same.
    """

    def __init__(self, config: SpectralConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpectralConfig()
        self.spec = _spec(self.config)

    def forward(self, mixture: Tensor) -> Tensor:
        spectrogram = self._stft(mixture)  # [B, C, F, N]
        stems = [
            self._istft(spectrogram * mask[:, None], num_samples=mixture.shape[-1])
            for mask in self.masks(spectrogram).unbind(1)
        ]
        other = mixture
        for stem in stems:
            other = other - stem
        stems.insert(2, other)
        return torch.stack(stems, dim=1)  # [B, S, C, T]

    def masks(self, spectrogram: Tensor) -> Tensor:
        """Shares [B, 3, F, N] of each bin's energy for drums, bass and vocals, from 0 to 1.

        Where there is no voice, [B, 2, F, N] for drums and bass.

        They never sum to more than 1. `spectrogram` is [B, C, F, N], complex.
        """
        left, right = spectrogram.unbind(1)  # [B, F, N] each
        power = _power(left) + _power(right)
        frequency = torch.linspace(0, self.config.sample_rate / 2, power.shape[-2])[:, None]
        frequency = frequency.to(power)  # [F, 1]

        centred = _centredness(left, right, power)
        deep = _below(self.config.bass_crossover_hz, frequency) * centred
        high = 1 - _below(self.config.vocals_lowest_hz, frequency)

        drums = self._suddenness(power, frequency)
        bass = (1 - drums) * deep
        if not self.config.has_voice:
            return torch.stack([drums, bass], dim=1)
        vocals = (1 - drums) * (1 - deep) * high * centred * _excess(power, self.config.standing)
        return torch.stack([drums, bass, vocals], dim=1)

    def _suddenness(self, power: Tensor, frequency: Tensor) -> Tensor:
        """Share [B, F, N] of drums in each bin."""
        held = _median_over_time(power, self.config.held)
        broadband = _median_over_frequency(power, self.config.broadband)
        rival = self.config.separation_factor**2 * held
        struck = broadband / (broadband + rival).clamp(min=_TINY)
        kicked = (1 - held / power.clamp(min=_TINY)).clamp(min=0)
        return torch.lerp(struck, kicked, _below(self.config.drums_crossover_hz, frequency))

    def _stft(self, audio: Tensor) -> Tensor:
        """Spectrogram [B, C, F, N] of audio [B, C, T], with silence beyond both ends."""
        spectrogram = torch.stft(
            audio.flatten(0, 1),  # [B*C, T]
            n_fft=self.config.n_fft,
            hop_length=self.config.hop_length,
            window=torch.hann_window(self.config.n_fft, device=audio.device),
            pad_mode="constant",  # the default, a mirror, needs more audio than a short track has
            return_complex=True,
        )
        return spectrogram.reshape(*audio.shape[:2], *spectrogram.shape[1:])  # [B, C, F, N]

    def _istft(self, spectrogram: Tensor, *, num_samples: int) -> Tensor:
        """Audio [B, C, T] of a spectrogram [B, C, F, N]."""
        audio = torch.istft(
            spectrogram.flatten(0, 1),  # [B*C, F, N]
            n_fft=self.config.n_fft,
            hop_length=self.config.hop_length,
            window=torch.hann_window(self.config.n_fft, device=spectrogram.device),
            length=num_samples,
        )
        return audio.reshape(*spectrogram.shape[:2], num_samples)  # [B, C, T]


def _spec(config: SpectralConfig) -> ModelSpec:
    # Whole hops, so that neighbouring chunks see the same frames where they overlap.
    hops_per_second = config.sample_rate // config.hop_length
    second = hops_per_second * config.hop_length
    return ModelSpec(
        family="spectral",
        stems=_STEMS if config.has_voice else _STEMS[:3],
        sample_rate=config.sample_rate,
        num_channels=2,
        chunking=ChunkPolicy(
            chunk_samples=_CHUNK_SECONDS * second, overlap_samples=_OVERLAP_SECONDS * second
        ),
        scaling=None,
        paper="Fitzgerald (DAFx 2010); Driedger et al. (ISMIR 2014); Tachibana et al. (TASLP 2014)",
    )


def _power(spectrogram: Tensor) -> Tensor:
    return spectrogram.real.square() + spectrogram.imag.square()


def _centredness(left: Tensor, right: Tensor, power: Tensor) -> Tensor:
    """1 where both channels agree, 1/2 where a source is panned half-way, 0 at the sides.

    The panning similarity of Avendano (2003) with its sign: 2 Re(L R*) / (|L|^2 + |R|^2),
    which is sin 2a for a source at the equal-power pan angle a. Its square halves half-way.
    Channels in opposite phase are not in the centre.
    """
    agreement = left.real * right.real + left.imag * right.imag
    return (2 * agreement / power.clamp(min=_TINY)).clamp(min=0, max=1).square()


def _below(crossover_hz: float, frequency: Tensor) -> Tensor:
    """Power response of a low-pass filter with 12 dB per octave (Butterworth)."""
    return 1 / (1 + (frequency / crossover_hz) ** 4)


def _excess(power: Tensor, window: MedianWindow) -> Tensor:
    """Share of each bin's power that is more than its running median over time."""
    median = _median_over_time(power, window)
    return (1 - median / power.clamp(min=_TINY)).clamp(min=0)


def _median_over_time(power: Tensor, window: MedianWindow) -> Tensor:
    return running_median(power, num_taps=window.num_taps, spacing=window.spacing)


def _median_over_frequency(power: Tensor, window: MedianWindow) -> Tensor:
    return _median_over_time(power.transpose(-1, -2), window).transpose(-1, -2)
