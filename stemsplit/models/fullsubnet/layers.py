"""The parts of FullSubNet+. Modules have the names that published checkpoints give them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_NUM_HIDDEN = 512
_DILATIONS = (1, 2, 5, 9, 1, 2, 5, 9)
_KERNEL_SIZE = 3
_NORM_EPSILON = 1e-8


class BinAttention(nn.Module):
    """Bins [B, F, N], each multiplied by how much it is worth over the whole recording.

    Multi-scale time sensitive channel attention, section 2.2 of the paper.
    """

    def __init__(self, num_bins: int, kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        small, middle, large = (
            nn.Sequential(nn.Conv1d(num_bins, num_bins, size, groups=num_bins))
            for size in kernel_sizes
        )
        self.smallConv1d, self.middleConv1d, self.largeConv1d = small, middle, large
        self.feature_concate_fc = nn.Linear(3, 1)
        self.fc1 = nn.Linear(num_bins, num_bins // 2)
        self.fc2 = nn.Linear(num_bins // 2, num_bins)

    def forward(self, bins: Tensor) -> Tensor:
        scales = (self.smallConv1d, self.middleConv1d, self.largeConv1d)
        means = [scale(bins).mean(dim=-1).relu() for scale in scales]  # [B, F] each
        joined: Tensor = self.feature_concate_fc(torch.stack(means, dim=-1))[..., 0]  # [B, F]
        worth: Tensor = self.fc2(self.fc1(joined).relu()).sigmoid()
        return bins * worth[..., None]


class DilatedBlock(nn.Module):
    """Bins [B, F, N] -> [B, F, N], residual. Its norms are over the whole recording."""

    def __init__(self, num_bins: int, dilation: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv1d(num_bins, _NUM_HIDDEN, 1)
        self.prelu1 = nn.PReLU()
        self.norm1 = nn.GroupNorm(1, _NUM_HIDDEN, eps=_NORM_EPSILON)
        self.depthwise_conv = nn.Conv1d(
            _NUM_HIDDEN,
            _NUM_HIDDEN,
            _KERNEL_SIZE,
            padding=dilation * (_KERNEL_SIZE - 1) // 2,
            dilation=dilation,
            groups=_NUM_HIDDEN,
        )
        self.prelu2 = nn.PReLU()
        self.norm2 = nn.GroupNorm(1, _NUM_HIDDEN, eps=_NORM_EPSILON)
        self.sconv = nn.Conv1d(_NUM_HIDDEN, num_bins, 1)

    def forward(self, bins: Tensor) -> Tensor:
        hidden = self.norm1(self.prelu1(self.conv1x1(bins)))  # [B, D, N]
        hidden = self.norm2(self.prelu2(self.depthwise_conv(hidden)))
        change: Tensor = self.sconv(hidden)
        return bins + change


class FullBand(nn.Module):
    """Bins [B, F, N] -> [B, F, N], from all bins to each."""

    def __init__(self, num_bins: int) -> None:
        super().__init__()
        blocks = (DilatedBlock(num_bins, dilation) for dilation in _DILATIONS)
        self.sequence_model = nn.Sequential(*blocks, nn.ReLU())
        self.fc_output_layer = nn.Linear(num_bins, num_bins)

    def forward(self, bins: Tensor) -> Tensor:
        hidden = self.sequence_model(bins).transpose(1, 2)  # [B, N, F]
        result: Tensor = self.fc_output_layer(hidden).relu()
        return result.transpose(1, 2)


class SubBand(nn.Module):
    """Frames of a bin [B, N, D] -> its compressed mask [B, N, 2], and the memory after them."""

    def __init__(self, num_features: int, num_hidden: int) -> None:
        super().__init__()
        self.sequence_model = nn.LSTM(num_features, num_hidden, num_layers=2, batch_first=True)
        self.fc_output_layer = nn.Linear(num_hidden, 2)

    def forward(
        self, frames: Tensor, memory: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, memory = self.sequence_model(frames, memory)
        return self.fc_output_layer(hidden), memory
