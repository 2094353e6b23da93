"""The residual branch of dilated convolutions that all Demucs networks share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.sequence import BLSTM, LocalState

_KERNEL_SIZE = 3
_LSTM_LAYERS = 2
_LSTM_MAX_STEPS = 200


class LayerScale(nn.Module):
    """One learned gain per channel of [B, D, T], or of [B, T, D] with `channel_last`.

    Touvron et al. (2021), arXiv:2103.17239.
    """

    def __init__(self, channels: int, *, channel_last: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.channel_last = channel_last

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.scale if self.channel_last else self.scale[:, None])


@dataclass(frozen=True, kw_only=True, slots=True)
class DConvConfig:
    """`depth` residual layers of `channels / compress` hidden channels.

    The dilation doubles from layer to layer; a negative depth means the same number of layers
    without dilation.
    """

    depth: int
    compress: float
    attention: bool = False
    lstm: bool = False


class DConv(nn.Module):
    """Residual layers [B, D, T] -> [B, D, T]. Défossez (2021), arXiv:2111.03600, section 3.2."""

    def __init__(self, channels: int, config: DConvConfig) -> None:
        super().__init__()
        hidden = int(channels / config.compress)
        if hidden < 1:
            raise ValueError(f"{channels} channels compressed by {config.compress} leave none")
        self.layers = nn.ModuleList(
            _layer(channels, hidden, dilation=2**index if config.depth > 0 else 1, config=config)
            for index in range(abs(config.depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def _layer(channels: int, hidden: int, *, dilation: int, config: DConvConfig) -> nn.Sequential:
    padding = dilation * (_KERNEL_SIZE // 2)
    layers: list[nn.Module] = [
        nn.Conv1d(channels, hidden, _KERNEL_SIZE, dilation=dilation, padding=padding),
        nn.GroupNorm(1, hidden),
        nn.GELU(),
    ]
    if config.lstm:
        layers.append(BLSTM(hidden, num_layers=_LSTM_LAYERS, max_steps=_LSTM_MAX_STEPS, skip=True))
    if config.attention:
        layers.append(LocalState(hidden))
    layers += [
        nn.Conv1d(hidden, 2 * channels, 1),
        nn.GroupNorm(1, 2 * channels),
        nn.GLU(dim=1),
        LayerScale(channels),
    ]
    return nn.Sequential(*layers)
