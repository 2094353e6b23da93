"""The short-time Fourier transform in the one convention that the networks were trained with.

Periodic Hann window as long as the transform, frames centred on multiples of the hop (the signal
is reflected at its ends) and scaled by 1/sqrt(n_fft), which makes the transform of one frame
unitary. The window is made anew for each call: it is cheap, and always on the right device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stft(signal: Tensor, *, n_fft: int, hop_length: int) -> Tensor:
    """Complex spectrogram [..., F, N] of a signal [..., T]; F = n_fft/2 + 1, N = T // hop + 1.

    The reflection at the ends needs T > n_fft / 2.
    """
    flat = signal.reshape(-1, signal.shape[-1])  # [B, T]
    window = torch.hann_window(n_fft, dtype=signal.dtype, device=signal.device)
    spectrogram = torch.stft(
        flat,
        n_fft,
        hop_length,
        window=window,
        center=True,
        pad_mode="reflect",
        normalized=True,
        return_complex=True,
    )  # [B, F, N]
    return spectrogram.reshape(*signal.shape[:-1], *spectrogram.shape[-2:])  # [..., F, N]


def istft(spectrogram: Tensor, *, hop_length: int, num_samples: int) -> Tensor:
    """Signal [..., T] of a complex spectrogram [..., F, N], with T = num_samples.

    The inverse of `stft` for spectrograms that come from a signal; for others, the signal whose
    spectrogram is nearest in the least-squares sense.
    """
    flat = spectrogram.reshape(-1, *spectrogram.shape[-2:])  # [B, F, N]
    n_fft = 2 * (flat.shape[-2] - 1)
    window = torch.hann_window(n_fft, dtype=flat.real.dtype, device=flat.device)
    signal = torch.istft(
        flat, n_fft, hop_length, window=window, center=True, normalized=True, length=num_samples
    )  # [B, T]
    return signal.reshape(*spectrogram.shape[:-2], num_samples)  # [..., T]
