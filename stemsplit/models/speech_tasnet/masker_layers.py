"""Layers of all maskers: normalisation over features and frames, and activations by name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.speech_tasnet.config import Activation, Norm

_EPSILON = 1e-8  # the networks were trained with it


class _Gain(nn.Module):
    """A gain and an offset per feature. The names are the checkpoints'."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))


class GlobalNorm(_Gain):
    """Normalises each item of [B, D, ...] over all that it has."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.gamma, self.beta, _EPSILON)


class FrameNorm(_Gain):
    """Normalises each frame of [B, D, ...] over its features."""

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        normed = F.layer_norm(last, last.shape[-1:], self.gamma, self.beta, _EPSILON)
        return normed.movedim(-1, 1)


def new_norm(norm: Norm, num_features: int) -> nn.Module:
    return GlobalNorm(num_features) if norm == "gLN" else FrameNorm(num_features)


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The activation of that name; None is `linear`."""
    if activation == "relu":
        return F.relu(x)
    if activation == "sigmoid":
        return torch.sigmoid(x)
    return torch.tanh(x) if activation == "tanh" else x
