"""Normalisations of networks that work on the features of frames. Luo and Mesgarani (2019), §II."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPSILON = 1e-8


class _Gain(nn.Module):
    """A gain and an offset per feature. The names are the checkpoints'; so is the epsilon."""

    def __init__(self, num_features: int, epsilon: float = _EPSILON) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self._epsilon = epsilon


class GlobalNorm(_Gain):
    """Normalises each item of [B, D, ...] over all that it has."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.gamma, self.beta, self._epsilon)


class FrameNorm(_Gain):
    """Normalises each frame of [B, D, ...] over its features."""

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        normed = F.layer_norm(last, last.shape[-1:], self.gamma, self.beta, self._epsilon)
        return normed.movedim(-1, 1)
