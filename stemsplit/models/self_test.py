"""What a network hears when it is tried: noise, and what it may meet in place of noise."""

from __future__ import annotations

import torch
from torch import Tensor

_VERY_QUIET = 1e-4
_OFFSET = 0.5


def self_test_signals(num_channels: int, num_samples: int) -> Tensor:
    """Three signals [3, C, T], always the same.

    Noise of unit deviation; silence for three eighths, then noise, the last quarter of it at
    -80 dBFS; and an offset with one click. Sums over them are rounded in different ways: where
    nearly all terms are alike, errors add up that cancel in noise.
    """
    noise = torch.randn(
        num_channels, num_samples, generator=torch.Generator().manual_seed(0)
    )  # [C, T]
    onset = noise.clone()
    onset[:, : num_samples * 3 // 8] = 0
    onset[:, num_samples * 3 // 4 :] *= _VERY_QUIET
    click = torch.full_like(noise, _OFFSET)
    click[:, num_samples // 2] += 1
    return torch.stack([noise, onset, click])
