"""Who is speaking, as a vector: voices of one speaker are near each other, wherever recorded.

Wan, Wang, Papir, Lopez Moreno, "Generalized end-to-end loss for speaker verification", ICASSP 2018,
arXiv:1710.10467, with the features and sizes of the network that the package Resemblyzer has.

That package cuts long pauses out before it listens. That is left to whoever calls: its detector of
speech is a program of its own, and makes little difference for speech without long pauses.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.mel import mel_filters
from stemsplit.dsp.stft import stft

SAMPLE_RATE = 16_000
_N_FFT, _HOP_LENGTH, _NUM_MELS = 400, 160, 40
_SIZE, _NUM_LAYERS = 256, 3
_LEVEL_DBFS = -30.0
_TINY = 1e-12

_PARTIAL_FRAMES = 160
"""What the network hears at a time: 1.6 s."""
_PARTIAL_STEP = 77
"""1.3 of them in a second."""
_LEAST_SHARE = 0.75
"""Of the last one that has to lie in the signal."""


class SpeakerEmbedding(nn.Module):
    """Voices [B, T] at 16 kHz -> vectors [B, E] of length 1, whose products are their likeness.

    Quiet voices are raised to -30 dBFS first. Silence has a vector, too, which says nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_NUM_MELS, _SIZE, _NUM_LAYERS, batch_first=True)
        self.linear = nn.Linear(_SIZE, _SIZE)

    def forward(self, voices: Tensor) -> Tensor:
        with torch.autocast(voices.device.type, enabled=False):
            raised = _raised(voices.float())
            starts = partial_starts(voices.shape[-1])
            needed = (starts[-1] + _PARTIAL_FRAMES) * _HOP_LENGTH
            padded = F.pad(raised, (0, max(0, needed - raised.shape[-1])))
            mels = self._mels(padded)  # [B, N, M]
            partials = torch.stack([mels[:, at : at + _PARTIAL_FRAMES] for at in starts], dim=1)
            states, _ = self.lstm(partials.flatten(0, 1))  # [B * P, N, E]
            vectors = F.normalize(F.relu(self.linear(states[:, -1])), dim=-1)
            vectors = vectors.reshape(*partials.shape[:2], -1)  # [B, P, E]
            return F.normalize(vectors.mean(1), dim=-1)

    @staticmethod
    def _mels(voices: Tensor) -> Tensor:
        """Energies [B, N, M] of mel bands, not their logarithms."""
        spectrum = stft(
            voices, n_fft=_N_FFT, hop_length=_HOP_LENGTH, normalized=False, pad_mode="constant"
        )  # [B, F, N]
        filters = mel_filters(num_mels=_NUM_MELS, n_fft=_N_FFT, sample_rate=SAMPLE_RATE)
        energies = filters.to(voices.device) @ spectrum.abs().square()  # [B, M, N]
        return energies.transpose(-1, -2)


def partial_starts(num_samples: int) -> list[int]:
    """The frames where the network begins to listen, in a voice of that length; one at least."""
    num_frames = math.ceil((num_samples + 1) / _HOP_LENGTH)
    stop = max(1, num_frames - _PARTIAL_FRAMES + _PARTIAL_STEP + 1)
    starts = list(range(0, stop, _PARTIAL_STEP))
    share = (num_samples / _HOP_LENGTH - starts[-1]) / _PARTIAL_FRAMES
    return starts if share >= _LEAST_SHARE or len(starts) == 1 else starts[:-1]


def _raised(voices: Tensor) -> Tensor:
    """The voices [B, T], each as loud as the network heard speech, or louder."""
    rms = voices.square().mean(-1, keepdim=True).sqrt().clamp_min(_TINY)
    return voices * (10 ** (_LEVEL_DBFS / 20) / rms).clamp_min(1)
