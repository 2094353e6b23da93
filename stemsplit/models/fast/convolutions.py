"""Convolutions over grids [B, N, F, D], features last: N frames (or one row) of F bins (or steps).

In this layout oneDNN needs no reordering of its input, a 1x1 convolution is a plain product, and
the strided convolutions of both branches run along the same axis: F, the bins of a frame or the
steps of a waveform.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_channels(grid: Tensor) -> Tensor:
    """A view [B, D, N, F] of a grid: what torch calls channels-last."""
    return grid.permute(0, 3, 1, 2)


def to_grid(channels: Tensor) -> Tensor:
    """A grid [B, N, F, D] from channels [B, D, N, F]; a view of those that are channels-last."""
    return channels.permute(0, 2, 3, 1).contiguous()


class Convolution:
    """A convolution of a grid; `weight` is [O, I, kernel over N, kernel over F]."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        self._weight = weight.detach().contiguous(memory_format=torch.channels_last)
        self._bias = None if bias is None else bias.detach()
        self._stride, self._padding, self._dilation = stride, padding, dilation

    def __call__(self, grid: Tensor) -> Tensor:
        y = F.conv2d(
            to_channels(grid),
            self._weight,
            self._bias,
            self._stride,
            self._padding,
            self._dilation,
        )
        return to_grid(y)


class TransposedConvolution:
    """A convolution that multiplies F by `stride`; `weight` is [I, O, 1, kernel over F]."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, stride: int, padding: int) -> None:
        self._weight = weight.detach()
        self._bias = None if bias is None else bias.detach()
        self._stride, self._padding = (1, stride), (0, padding)

    def __call__(self, grid: Tensor) -> Tensor:
        y = F.conv_transpose2d(
            to_channels(grid), self._weight, self._bias, self._stride, self._padding
        )
        return to_grid(y)


class GatedConvolution:
    """The GLU of a convolution that keeps N and F, for odd kernels larger than 1x1.

    `weight` [2 O, I, kernel over N, kernel over F] and `bias` [2 O]: values first, then gates.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        values, gates = weight.detach().chunk(2)
        self._values = values.contiguous(memory_format=torch.channels_last)
        self._gates = gates.contiguous(memory_format=torch.channels_last)
        self._values_bias, self._gates_bias = bias.detach().chunk(2)
        self._padding = [size // 2 for size in weight.shape[2:]]

    def __call__(self, grid: Tensor) -> Tensor:
        x = to_channels(grid)
        one = [1, 1]
        geometry = (self._padding, one, one, 1)
        gates = torch.ops.mkldnn._convolution_pointwise(
            x, self._gates, self._gates_bias, *geometry, "sigmoid", [], ""
        )
        y = torch.ops.mkldnn._convolution_pointwise.binary(
            x, gates, self._values, self._values_bias, *geometry, "mul", None, None, [], None
        )
        return to_grid(y)
