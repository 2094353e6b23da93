"""What all maskers have in common: norms and activations by name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.feature_norms import FrameNorm, GlobalNorm
from stemsplit.models.speech_tasnet.config import Activation, Norm


def new_norm(norm: Norm, num_features: int) -> nn.Module:
    return GlobalNorm(num_features) if norm == "gLN" else FrameNorm(num_features)


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The activation of that name; None is `linear`."""
    if activation == "relu":
        return F.relu(x)
    if activation == "sigmoid":
        return torch.sigmoid(x)
    return torch.tanh(x) if activation == "tanh" else x
