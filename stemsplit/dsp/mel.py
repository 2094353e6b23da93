"""Mel filters over the bins of a short-time Fourier transform."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_BREAK_HZ, _BREAK_MEL, _STEPS_TO_FACTOR, _FACTOR = 1000, 15, 27, 6.4


def mel_filters(*, num_mels: int, n_fft: int, sample_rate: int) -> Tensor:
    """Triangles [M, F] of equal area on Slaney's mel scale (Auditory Toolbox, 1998), float32.

    They reach from 0 to half the sample rate. The scale is linear up to 1000 Hz, which is 15 mel,
    and above it 27 mel are a factor of 6.4.
    """
    top = _BREAK_MEL + _STEPS_TO_FACTOR * np.log(sample_rate / 2 / _BREAK_HZ) / np.log(_FACTOR)
    mels = np.linspace(0, top, num_mels + 2)
    above = _BREAK_HZ * _FACTOR ** ((mels - _BREAK_MEL) / _STEPS_TO_FACTOR)
    hertz = np.where(mels < _BREAK_MEL, mels * 200 / 3, above)
    low, centre, high = (hertz[start : start + num_mels, None] for start in range(3))
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)  # [F]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy(triangles * 2 / (high - low)).float()
