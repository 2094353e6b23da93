"""A denoiser without weights: what never ceases is noise.

Y. Ephraim, D. Malah, "Speech enhancement using a minimum mean-square error log-spectral amplitude
estimator", IEEE TASSP 33(2), 1985, says what gain a bin has, given its noise. R. Martin, "Noise
power spectral density estimation based on optimal smoothing and minimum statistics", IEEE TSAP
9(5), 2001, says what the noise is: the least power within some seconds, times a factor. Here those
lie around each frame, since there is no hurry.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.frame_stream import FrameStream
from stemsplit.models.blocks.stream import StreamingModule
from stemsplit.models.spec import ModelSpec

_SAMPLE_RATE = 48_000
_N_FFT, _HOP = 2048, 512  # 43 ms, as long as a voice stays the same
_REACH = 150
"""Frames that are looked at before and after each one: 1.6 s, in which most voices pause."""
_SMOOTHING = 0.85
_BIAS = 2.5
"""The mean of noise over the least of its smoothed powers within twice the reach."""
_MEMORY = 0.9
"""How much of the ratio of voice to noise is what was found a frame ago."""
_LEAST_RATIO, _LEAST_GAIN = 10**-2.5, 10**-1.25  # -25 dB both, which keeps noise from twinkling
_TINY = 1e-16
"""The power of noise in a bin without any."""
_CHUNK_SECONDS = 10


class LogMmseState(NamedTuple):
    """What is remembered of a track, whose channels [B * C] are heard one by one."""

    frames: FrameStream
    num_early: int
    """Samples until the track's first one, or 0."""
    num_left: int
    """Samples until the track's end."""
    power: Tensor
    """[B, F]: smoothed; below 0 before there was any."""
    powers: Tensor
    """[B, 2 * reach, F]: those of the last frames, infinite where they say nothing about noise."""
    waiting: Tensor
    """[B, reach, F], complex: frames whose noise is not known yet."""
    voice: Tensor
    """[B, F]: the power that was found for the last frame."""


class LogMmse(StreamingModule[LogMmseState]):
    """Mixture [B, C, T] -> speech [B, 1, C, T]; T is a number of hops, look-ahead included."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = ModelSpec(
            family="logmmse",
            stems=("speech",),
            residual_stem="noise",
            sample_rate=_SAMPLE_RATE,
            num_channels=1,
            chunking=ChunkPolicy.in_sequence(
                _CHUNK_SECONDS * _SAMPLE_RATE // _HOP * _HOP,
                look_ahead_samples=_N_FFT - _HOP + _REACH * _HOP,
                length_step_samples=_HOP,
            ),
            scaling=None,
            paper="Ephraim & Malah (IEEE TASSP 1985); Martin (IEEE TSAP 2001)",
        )

    def start(self, mixture: Tensor, num_samples: int) -> LogMmseState:
        """The memory before the first sample of a track like `mixture` [B, C, T]."""
        signals, num_bins = mixture.float().flatten(0, 1), _N_FFT // 2 + 1  # [B * C, T]
        shape, shared = (len(signals),), _N_FFT - _HOP
        return LogMmseState(
            frames=FrameStream.before(
                signals,
                frame_length=_N_FFT,
                hop_length=_HOP,
                num_silent=shared,
                num_early=shared + _REACH * _HOP,
            ),
            num_early=shared,
            num_left=num_samples + shared,
            power=signals.new_full((*shape, num_bins), -1),
            powers=signals.new_full((*shape, 2 * _REACH, num_bins), torch.inf),
            waiting=signals.new_zeros(*shape, _REACH, num_bins, dtype=torch.complex64),
            voice=signals.new_zeros(*shape, num_bins),
        )

    def advance(self, mixture: Tensor, state: LogMmseState) -> tuple[Tensor, LogMmseState]:
        """Speech [B, 1, C, T'] and the memory after the next samples [B, C, T]."""
        window = torch.hann_window(_N_FFT, device=mixture.device).sqrt()
        frames, stream = state.frames.cut(mixture.float().flatten(0, 1))  # [B * C, N, n_fft]
        spectrum = torch.fft.rfft(frames * window, norm="ortho")  # [B * C, N, F]
        num_frames = spectrum.shape[1]

        begins = torch.arange(num_frames, device=mixture.device) * _HOP  # after what was cut before
        # What lies beyond the track says nothing; silence in it, that there is no noise.
        inside = (begins >= state.num_early) & (begins + _N_FFT <= state.num_left)
        tells = inside.expand(frames.shape[:2])
        powers, power = _smoothed(_power(spectrum), tells, state.power)
        powers = torch.cat((state.powers, powers), dim=1)
        least = powers.unfold(1, 2 * _REACH + 1, 1).amin(-1)  # [B * C, N, F]
        noise = torch.where(least.isinf(), 0, _BIAS * least)

        spectra = torch.cat((state.waiting, spectrum), dim=1)
        late = spectra[:, :num_frames]
        gains, voice = _gains(_power(late), noise.clamp(min=_TINY), state.voice)
        added = torch.fft.irfft(late * gains, _N_FFT, norm="ortho") * window
        speech, stream = stream.add(added * (2 * _HOP / _N_FFT))
        return torch.unflatten(speech, 0, mixture.shape[:2])[:, None], LogMmseState(
            frames=stream,
            num_early=max(0, state.num_early - num_frames * _HOP),
            num_left=state.num_left - num_frames * _HOP,
            power=power,
            powers=powers[:, num_frames:],
            waiting=spectra[:, num_frames:],
            voice=voice,
        )


def _power(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def _smoothed(powers: Tensor, tells: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    """Smoothed powers [B, N, F], infinite for frames that tell nothing, and the last one [B, F]."""
    found = []
    for fresh, counts in zip(powers.unbind(1), tells.unbind(1), strict=True):
        smooth = torch.where(power < 0, fresh, torch.lerp(fresh, power, _SMOOTHING))
        power = torch.where(counts[:, None], smooth, power)
        found.append(torch.where(counts[:, None], power, torch.inf))
    return torch.stack(found, dim=1), power


def _gains(powers: Tensor, noise: Tensor, voice: Tensor) -> tuple[Tensor, Tensor]:
    """Gains [B, N, F] of bins of these powers and noise, and the last frame's voice [B, F].

    `voice` is that of the frame before: the "decision-directed" ratio of Ephraim and Malah.
    """
    found = []
    for power, of_noise in zip(powers.unbind(1), noise.unbind(1), strict=True):
        posterior = (power / of_noise).clamp(max=1e6)
        ratio = torch.lerp((posterior - 1).clamp(min=0), voice / of_noise, _MEMORY)
        ratio = ratio.clamp(min=_LEAST_RATIO, max=1e6)
        wiener = ratio / (1 + ratio)
        gain = wiener * (_exponential_integral((wiener * posterior).clamp(min=1e-6)) / 2).exp()
        gain = gain.clamp(min=_LEAST_GAIN, max=1)
        voice = gain.square() * power
        found.append(gain)
    return torch.stack(found, dim=1), voice


def _exponential_integral(x: Tensor) -> Tensor:
    """E1 of x > 0; Abramowitz and Stegun, 5.1.53 and 5.1.54, within 5e-5."""
    small, large = x.clamp(max=1), x.clamp(min=1)
    below = -small.log() - 0.57721566
    for power, factor in enumerate(
        (0.99999193, -0.24991055, 0.05519968, -0.00976004, 0.00107857), start=1
    ):
        below = below + factor * small**power
    above = (large * (large + 2.334733) + 0.250621) / (large * (large + 3.330657) + 1.681534)
    return torch.where(x < 1, below, above * (-large).exp() / large)
