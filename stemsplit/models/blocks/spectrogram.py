"""Into and out of the hybrid networks' spectrogram, real numbers with "complex as channels".

The spectrogram is made such that its number of frames is exactly ceil(T / hop): a convolution
over the waveform with the same total stride gives as many steps, and the branches line up. To
this end the signal is padded by 3/2 hops on both sides, and the two outermost frames on either
side, which the STFT's own centring brings in, are dropped. Défossez (2021), section 3.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit.dsp.stft import istft, stft

_FRAMES_PER_WINDOW = 4
_DROPPED_FRAMES = 2


def analyze(mixture: Tensor, *, n_fft: int, zero_padded: bool = False) -> Tensor:
    """Spectrogram [B, 2C, F, N] of a mixture [B, C, T]: F = n_fft / 2, N = ceil(T / hop).

    Channels are (left real, left imaginary, right real, ...). The Nyquist bin is dropped.
    `zero_padded` pads with silence instead of a reflection: some networks were trained so.
    """
    hop = n_fft // _FRAMES_PER_WINDOW
    margin = hop // 2 * 3
    to_full_hop = -mixture.shape[-1] % hop
    pad = zero_pad if zero_padded else reflect_pad
    padded = pad(mixture, margin, margin + to_full_hop)
    spectrogram = stft(padded, n_fft=n_fft, hop_length=hop)  # [B, C, F + 1, N + 4]
    kept = spectrogram[..., :-1, _DROPPED_FRAMES:-_DROPPED_FRAMES]  # [B, C, F, N]
    parts = torch.view_as_real(kept).movedim(-1, 2)  # [B, C, 2, F, N]
    return parts.flatten(1, 2)  # [B, 2C, F, N]


def synthesize(spectrogram: Tensor, *, num_samples: int, zero_padded: bool = False) -> Tensor:
    """Waveforms [..., C, T] of spectrograms [..., 2C, F, N]: the inverse of `analyze`.

    `zero_padded` does not undo the padding, which shifts the output: a flaw of some published
    networks, which learned to live with it.
    """
    parts = torch.unflatten(spectrogram, -3, (-1, 2)).movedim(-3, -1)  # [..., C, F, N, 2]
    num_bins, num_frames = spectrogram.shape[-2:]
    # Frame by frame, as the FFT wants them. The Nyquist bin and the frames that `analyze` dropped
    # come back as zeros.
    frames = parts.new_zeros(
        *parts.shape[:-3], num_frames + 2 * _DROPPED_FRAMES, num_bins + 1, 2
    )  # [..., C, N + 4, F + 1, 2]
    frames[..., _DROPPED_FRAMES:-_DROPPED_FRAMES, :-1, :] = parts.transpose(-3, -2)
    padded = torch.view_as_complex(frames).transpose(-1, -2)  # [..., C, F + 1, N + 4]
    hop = 2 * spectrogram.shape[-2] // _FRAMES_PER_WINDOW
    margin = 0 if zero_padded else hop // 2 * 3
    full_hops = num_samples + -num_samples % hop
    waveform = istft(padded, hop_length=hop, num_samples=full_hops + 2 * margin)
    return waveform[..., margin : margin + num_samples]  # [..., C, T]


def zero_pad(signal: Tensor, left: int, right: int) -> Tensor:
    """The signal [..., T] with silence around it."""
    return F.pad(signal, (left, right))


def reflect_pad(signal: Tensor, left: int, right: int) -> Tensor:
    """The signal [..., T] with its reflection around it, for left <= right.

    A signal too short to be reflected that far is first lengthened on the right with as much
    silence as it takes.
    """
    silence = max(0, right + 1 - signal.shape[-1])
    lengthened = F.pad(signal, (0, silence))
    return F.pad(lengthened, (left, right - silence), mode="reflect")
