"""The short-time Fourier transform in the conventions that the networks were trained with.

Hann window as long as the transform, periodic unless a network was trained with the symmetric one
(`periodic`), frames centred on multiples of the hop, and either scaled by 1/sqrt(n_fft), which
makes the transform of one frame unitary (`normalized`), or not scaled. The window is made anew for
each call: it is cheap, and always on the right device.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

PadMode = Literal["reflect", "constant"]
"""What the frames hear that reach beyond the signal's ends: its reflection, or silence."""


def stft(
    signal: Tensor,
    *,
    n_fft: int,
    hop_length: int,
    normalized: bool = True,
    pad_mode: PadMode = "reflect",
    periodic: bool = True,
) -> Tensor:
    """Complex spectrogram [..., F, N] of a signal [..., T]; F = n_fft/2 + 1, N = T // hop + 1.

    A reflection at the ends needs T > n_fft / 2.
    """
    flat = signal.reshape(-1, signal.shape[-1])  # [B, T]
    window = _hann(n_fft, like=signal, periodic=periodic)
    spectrogram = torch.stft(
        flat,
        n_fft,
        hop_length,
        window=window,
        center=True,
        pad_mode=pad_mode,
        normalized=normalized,
        return_complex=True,
    )  # [B, F, N]
    return spectrogram.reshape(*signal.shape[:-1], *spectrogram.shape[-2:])  # [..., F, N]


def istft(
    spectrogram: Tensor,
    *,
    hop_length: int,
    num_samples: int,
    normalized: bool = True,
    periodic: bool = True,
) -> Tensor:
    """Signal [..., T] of a complex spectrogram [..., F, N], with T = num_samples <= N * hop_length.

    The inverse of `stft` for spectrograms that come from a signal; for others, the signal whose
    spectrogram is nearest in the least-squares sense (Griffin and Lim 1984, section II).
    """
    n_fft = 2 * (spectrogram.shape[-2] - 1)
    window = _hann(n_fft, like=spectrogram.real, periodic=periodic)
    scaling = "ortho" if normalized else "backward"
    frames = torch.fft.irfft(spectrogram.transpose(-1, -2), n_fft, norm=scaling)  # [..., N, n_fft]
    weighted = add_frames(frames.mul_(window), hop_length)
    weights = add_frames(window.square().expand(frames.shape[-2:]), hop_length)
    middle = slice(n_fft // 2, n_fft // 2 + num_samples)
    return weighted[..., middle] / weights[middle]  # [..., T]


def add_frames(frames: Tensor, hop_length: int) -> Tensor:
    """Frames [..., N, n_fft], `hop_length` apart, added up: at least [..., (N - 1) hop + n_fft]."""
    num_frames, n_fft = frames.shape[-2:]
    # As many adds of contiguous stretches as frames overlap, which took torch.istft twice as long.
    if n_fft % hop_length:
        frames = F.pad(frames, (0, -n_fft % hop_length))
    parts = torch.unflatten(frames, -1, (-1, hop_length))  # [..., N, parts, hop]
    num_parts = parts.shape[-2]
    total = frames.new_zeros(*frames.shape[:-2], num_frames + num_parts - 1, hop_length)
    for index in range(num_parts):
        total[..., index : index + num_frames, :] += parts[..., index, :]
    return total.flatten(-2)


def _hann(n_fft: int, *, like: Tensor, periodic: bool) -> Tensor:
    return torch.hann_window(n_fft, periodic=periodic, dtype=like.dtype, device=like.device)
