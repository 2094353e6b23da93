"""Upper bounds: what a mask or a filter could do if it knew the true sources.

All three work on spectrograms of 93 ms, as most separators do. The masks treat each channel alone.
A track is taken apart in segments with enough context that masks are those of the whole track, so
that memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from stemsplit.dsp.stft import istft, stft
from stemsplit.dsp.wiener import expectation_maximization

_N_FFT = 4096
_HOP_LENGTH = 1024
_SEGMENT_SAMPLES = 256 * _HOP_LENGTH  # 6 s at 44.1 kHz

Oracle = Callable[[Tensor, Tensor], Tensor]
"""From spectrograms of the mixture [C, F, N] and of the sources [S, C, F, N] to estimates."""


def separate_with(oracle: Oracle, mixture: Tensor, sources: Tensor) -> Tensor:
    """Estimates [S, C, T] of the sources [S, C, T] in a mixture [C, T]."""
    num_samples = mixture.shape[-1]
    estimates = torch.zeros_like(sources)
    for start, stop in _segments(num_samples):
        # Frames that hear the segment's ends are `n_fft` / 2 away, and as long again.
        low, high = max(0, start - _N_FFT), min(num_samples, stop + _N_FFT)
        heard = torch.cat([mixture[None], sources])[..., low:high]  # [1 + S, C, T]
        spectrograms = stft(heard, n_fft=_N_FFT, hop_length=_HOP_LENGTH, pad_mode="constant")
        estimated = oracle(spectrograms[0], spectrograms[1:])  # [S, C, F, N]
        signals = istft(estimated, hop_length=_HOP_LENGTH, num_samples=high - low)
        estimates[..., start:stop] = signals[..., start - low : stop - low]
    return estimates


def ideal_ratio_mask(mixture: Tensor, sources: Tensor) -> Tensor:
    """The mixture times each source's share of the power in every bin.

    The single-channel Wiener filter: A. Liutkus, R. Badeau, "Generalized Wiener filtering with
    fractional power spectrograms", ICASSP 2015, with the power 2; IRM2 in the campaign of 2018.
    """
    power = _power(sources)
    return mixture * (power / power.sum(dim=0).clamp(min=torch.finfo(power.dtype).tiny))


def ideal_binary_mask(mixture: Tensor, sources: Tensor) -> Tensor:
    """The mixture in those bins where a source has more power than all others together.

    D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in Speech
    Separation by Humans and Machines, 2005, with the local criterion 0 dB.
    """
    power = _power(sources)
    return mixture * (2 * power > power.sum(dim=0))


def multichannel_wiener_filter(mixture: Tensor, sources: Tensor) -> Tensor:
    """The best linear estimate with the true powers and one spatial covariance per frequency.

    N. Duong, E. Vincent, R. Gribonval, "Under-determined reverberant audio source separation using
    a full-rank spatial covariance model", IEEE TASLP 18(7), 2010. The covariances are fitted anew
    for every segment, because mixes move.

    Raises:
        ValueError: more than two channels.
    """
    # The noise that keeps the division finite is 1e-8 here: to the default, 1e-5, the quiet bins of
    # a song would lose some of their sound.
    return expectation_maximization(sources[None], mixture[None], num_iterations=1, epsilon=1e-16)[
        0
    ]


ORACLES: Mapping[str, Oracle] = MappingProxyType(
    {
        "irm": ideal_ratio_mask,
        "ibm": ideal_binary_mask,
        "mwf": multichannel_wiener_filter,
    }
)


def _segments(num_samples: int) -> Iterator[tuple[int, int]]:
    for start in range(0, num_samples, _SEGMENT_SAMPLES):
        yield start, min(start + _SEGMENT_SAMPLES, num_samples)


def _power(spectrograms: Tensor) -> Tensor:
    return spectrograms.real.square() + spectrograms.imag.square()
