"""Takes of a voice at 16 kHz, mono, the same on every machine: [1, T] in float32.

Golden vectors of networks for speech are made of them, where no file can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

SAMPLE_RATE = 16000
VERY_QUIET = 1e-4  # -80 dBFS

_FORMANTS_HZ = (700, 1220, 2600)


def noise(num_samples: int) -> Tensor:
    return _take(0.1 * np.random.RandomState(0).standard_normal(num_samples))


def voice(num_samples: int) -> Tensor:
    """Syllables on a falling pitch, with a little noise behind them."""
    seconds = np.arange(num_samples) / SAMPLE_RATE
    phase = 2 * np.pi * (140 * seconds - 8 * seconds**2)
    harmonics = np.arange(1, 25)[:, None]
    formants = sum(1 / (1 + ((harmonics * 130 - hz) / 150) ** 2) for hz in _FORMANTS_HZ)
    pulses = (formants * np.sin(harmonics * phase)).sum(axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 4 * seconds), 0, None) ** 0.5
    return _take(0.2 * pulses * syllables) + 0.05 * noise(num_samples)


def silence(num_samples: int) -> Tensor:
    return torch.zeros(1, num_samples)


def onset_after_silence(num_samples: int) -> Tensor:
    take = voice(num_samples)
    take[:, : num_samples * 2 // 5] = 0
    return take


def noise_on_an_offset(num_samples: int) -> Tensor:
    return noise(num_samples) + 0.5


def clicks(num_samples: int) -> Tensor:
    take = torch.zeros(1, num_samples)
    take[:, num_samples // 7 :: num_samples // 3] = 0.9
    return take


def very_quiet_voice(num_samples: int) -> Tensor:
    return VERY_QUIET * voice(num_samples)


TAKES: Mapping[str, Callable[[int], Tensor]] = {
    make.__name__: make
    for make in (
        noise,
        voice,
        silence,
        onset_after_silence,
        noise_on_an_offset,
        clicks,
        very_quiet_voice,
    )
}


def _take(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples[None]).float()
