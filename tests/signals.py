"""What recordings are like where they are not like noise; all [2, T] at 44.1 kHz.

Networks, their fast layers and the benchmark hear these as well: a sum that is fine over noise can
be off where nearly all of its terms are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from stemsplit.evaluate.demo_song import make_demo_song

SAMPLE_RATE = 44100
VERY_QUIET = 1e-4  # -80 dBFS


def noise(num_samples: int) -> Tensor:
    return 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))


def music(num_samples: int) -> Tensor:
    seconds = math.ceil(num_samples / SAMPLE_RATE)
    stems = make_demo_song(sample_rate=SAMPLE_RATE, duration_seconds=seconds)
    return torch.stack(list(stems.values())).sum(0)[:, :num_samples]


def onset_after_silence(num_samples: int) -> Tensor:
    signal = music(num_samples)
    signal[:, : num_samples * 2 // 5] = 0  # three seconds of a chunk of HTDemucs
    return signal


def constant(num_samples: int) -> Tensor:
    return torch.full((2, num_samples), 0.1)


def music_on_an_offset(num_samples: int) -> Tensor:
    return 0.3 * music(num_samples) + 0.5


def click(num_samples: int) -> Tensor:
    signal = torch.zeros(2, num_samples)
    signal[:, num_samples // 2] = 0.9
    return signal


def very_quiet_music(num_samples: int) -> Tensor:
    return VERY_QUIET * music(num_samples)


def music_that_becomes_very_quiet(num_samples: int) -> Tensor:
    signal = music(num_samples)
    signal[:, num_samples // 2 :] *= VERY_QUIET
    return signal


def fade_in(num_samples: int) -> Tensor:
    return music(num_samples) * torch.linspace(0, 1, num_samples)


SIGNALS: Mapping[str, Callable[[int], Tensor]] = {
    make.__name__.replace("_", " "): make
    for make in (
        noise,
        music,
        onset_after_silence,
        constant,
        music_on_an_offset,
        click,
        very_quiet_music,
        music_that_becomes_very_quiet,
        fade_in,
    )
}
