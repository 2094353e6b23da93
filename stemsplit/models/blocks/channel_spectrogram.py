"""Spectrograms as real feature maps, "complex as channels", cut off above a highest bin.

Choi et al., "Investigating U-Nets with various intermediate blocks for spectrogram-based singing
voice separation", ISMIR 2020. Frames come before bins, since the layers that mix
frequencies work along the last axis; it is also the order in which the FFT leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit.dsp.stft import PadMode, istft, stft


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSpectrogram:
    """A transform, not scaled, of which the lowest `num_bins` of n_fft/2 + 1 bins are kept."""

    n_fft: int
    hop_length: int
    num_bins: int
    pad_mode: PadMode = "reflect"

    def __post_init__(self) -> None:
        if not 1 <= self.num_bins <= self.n_fft // 2 + 1:
            raise ValueError(f"{self.num_bins} bins of an FFT over {self.n_fft} samples")
        if self.n_fft % 2 or not 1 <= self.hop_length <= self.n_fft // 2:
            raise ValueError(f"an FFT over {self.n_fft} samples every {self.hop_length}")

    def fitted_length(self, num_samples: int, *, frame_step: int, min_steps: int = 1) -> int:
        """The smallest length >= `num_samples` with a multiple of `frame_step` frames.

        At least `min_steps` of them, and enough for the ends to be reflected.
        """
        num_hops = -(-max(num_samples, self.n_fft // 2 + 1) // self.hop_length)
        num_steps = max(min_steps, -(-(num_hops + 1) // frame_step))  # one frame more than hops
        return (num_steps * frame_step - 1) * self.hop_length

    def analyze(self, mixture: Tensor) -> Tensor:
        """Feature maps [B, 2C, N, F] of a mixture [B, C, T]: F = num_bins, N = T // hop + 1.

        Channels are (left real, left imaginary, right real, ...).
        """
        spectrogram = stft(
            mixture,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            normalized=False,
            pad_mode=self.pad_mode,
        )  # [B, C, n_fft/2 + 1, N]
        kept = spectrogram[..., : self.num_bins, :].transpose(-1, -2)  # [B, C, N, F]
        return torch.view_as_real(kept).movedim(-1, 2).flatten(1, 2)  # [B, 2C, N, F]

    def synthesize(self, maps: Tensor, *, num_samples: int) -> Tensor:
        """Signals [..., C, T] of feature maps [..., 2C, N, F]; bins cut off are silent."""
        parts = torch.unflatten(maps, -3, (-1, 2))  # [..., C, 2, N, F]
        padded = F.pad(parts, (0, self.n_fft // 2 + 1 - self.num_bins))
        bins = torch.complex(padded.select(-3, 0), padded.select(-3, 1))  # [..., C, N, n_fft/2 + 1]
        return istft(
            bins.transpose(-1, -2),
            hop_length=self.hop_length,
            num_samples=num_samples,
            normalized=False,
        )
