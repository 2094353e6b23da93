"""The U-Net that estimates one stem's magnitudes. Jansson et al., ISMIR 2017, as Spleeter has it.

Feature maps are [B, D, N, F], frames before bins. Strided layers pad as TensorFlow's "same" does:
one row or bin before, two behind.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.spleeter.config import Activation

STRIDE = 2
SAME_PADDING = (1, 2, 1, 2)
"""Bins before and behind, frames before and behind."""
_KERNEL = 5
_LAST_KERNEL, _LAST_DILATION = 4, 2
_SLOPE = 0.2


class StemUNet(nn.Module):
    """Magnitudes [B, C, N, F] -> logits of one stem's mask [B, C, N, F].

    N and F are multiples of 2 to the number of levels. What a level hands across is its
    convolution's output before norm and activation; the lowest one has neither.
    """

    def __init__(
        self, num_channels: int, widths: tuple[int, ...], down: Activation, up: Activation
    ) -> None:
        super().__init__()
        self.down_activation, self.up_activation = down, up
        inner = [*reversed(widths[:-1]), 1]
        self.down = nn.ModuleList(
            nn.Conv2d(num_in, num_out, _KERNEL, STRIDE)
            for num_in, num_out in zip((num_channels, *widths), widths, strict=False)
        )
        self.down_norms = nn.ModuleList(ChannelAffine(width) for width in widths[:-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(num_in, num_out, _KERNEL, STRIDE, padding=1)
            for num_in, num_out in zip(
                (widths[-1], *(2 * width for width in inner[:-1])), inner, strict=True
            )
        )
        self.up_norms = nn.ModuleList(ChannelAffine(width) for width in inner)
        self.last = nn.Conv2d(
            1, num_channels, _LAST_KERNEL, padding="same", dilation=_LAST_DILATION
        )

    def forward(self, magnitudes: Tensor) -> Tensor:
        x, skips = magnitudes, []
        for level, convolve in enumerate(self.down):
            x = convolve(F.pad(x, SAME_PADDING))  # [B, D, N, F], both halved
            if level < len(self.down_norms):
                skips.append(x)
                x = activate(self.down_norms[level](x), self.down_activation)
        for double, norm in zip(self.up, self.up_norms, strict=True):
            x = double(x)[..., :-1, :-1]  # [B, D, N, F], both doubled
            x = norm(activate(x, self.up_activation))
            if skips:
                x = torch.cat((skips.pop(), x), dim=1)
        logits: Tensor = self.last(x)
        return logits


def activate(x: Tensor, activation: Activation, *, inplace: bool = False) -> Tensor:
    """The activation of that name."""
    if activation == "ELU":
        return F.elu(x, inplace=inplace)
    return F.leaky_relu(x, _SLOPE if activation == "LeakyReLU" else 0.0, inplace=inplace)
