"""The layers of SpEx+: blocks of the separator, and what hears who is speaking."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.feature_norms import FrameNorm, GlobalNorm
from stemsplit.models.spexplus.config import SpexPlusConfig

EPSILON = 1e-5  # the networks were trained with it
_POOLED = 3


class _Block(nn.Module):
    """A step of the separator, [B, D, N] -> [B, D, N], with twice the dilation of the one before.

    The first of a repeat hears the speaker's embedding [1, E] beside each frame.
    """

    def __init__(self, config: SpexPlusConfig, index: int) -> None:
        super().__init__()
        outer, inner = config.bottleneck_channels, config.block_channels
        dilation = 1 << index
        self.conv1x1 = nn.Conv1d(outer + (0 if index else config.embedding_size), inner, 1)
        self.prelu1 = nn.PReLU()
        self.lnorm1 = GlobalNorm(inner, EPSILON)
        self.dconv = nn.Conv1d(
            inner,
            inner,
            config.kernel_size,
            padding=config.kernel_size // 2 * dilation,
            dilation=dilation,
            groups=inner,
        )
        self.prelu2 = nn.PReLU()
        self.lnorm2 = GlobalNorm(inner, EPSILON)
        self.sconv = nn.Conv1d(inner, outer, 1)

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        heard = x
        if embedding is not None:
            everywhere = embedding[..., None].to(x.dtype).expand(len(x), -1, x.shape[-1])
            heard = torch.cat((x, everywhere), dim=1)  # [B, D + E, N]
        y = self.lnorm1(self.prelu1(self.conv1x1(heard)))
        y = self.lnorm2(self.prelu2(self.dconv(y)))
        step: Tensor = self.sconv(y)
        return x + step


class Repeat(nn.ModuleList):
    """Blocks in a row, of which the first hears the speaker's embedding."""

    def __init__(self, config: SpexPlusConfig) -> None:
        super().__init__(_Block(config, index) for index in range(config.num_blocks))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for index, block in enumerate(self):
            x = block(x, None if index else embedding)
        return x


class _ResidualBlock(nn.Module):
    """[B, D, N] -> [B, D', N // 3]: two layers and a shortcut, then the highest of each three."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {
                "1": nn.Sequential(nn.Conv1d(num_in, num_out, 1)),
                "2": nn.Sequential(nn.Conv1d(num_out, num_out, 1)),
            }
        )
        self.prelu1, self.prelu2 = nn.PReLU(), nn.PReLU()
        self.conv_downsample = (
            nn.Identity() if num_in == num_out else nn.Conv1d(num_in, num_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.convs["2"](self.prelu1(self.convs["1"](x)))
        highest: Tensor = F.max_pool1d(self.prelu2(y + self.conv_downsample(x)), _POOLED)
        return highest


class SpeakerEncoder(nn.Sequential):
    """Who is speaking [B, E], of features [B, 3 D, N]: the mean over all that is left of frames."""

    MIN_FRAMES: ClassVar = _POOLED**3

    def __init__(self, config: SpexPlusConfig) -> None:
        size = config.embedding_size
        super().__init__(
            FrameNorm(3 * config.num_filters, EPSILON),
            nn.Conv1d(3 * config.num_filters, size, 1),
            _ResidualBlock(size, size),
            _ResidualBlock(size, 2 * size),
            _ResidualBlock(2 * size, 2 * size),
            nn.Conv1d(2 * size, size, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        for layer in self:
            features = layer(features)
        return features.mean(-1)
