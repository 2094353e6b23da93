"""Convolutions over grids [B, N, F, D], features last: N frames (or one row) of F bins (or steps).

In this layout oneDNN needs no reordering of its input, a 1x1 convolution is a plain product, and
the strided convolutions of both branches run along the same axis: F, the bins of a frame or the
steps of a waveform.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

_SLAB_VALUES = 1 << 21


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
    """A convolution that multiplies F by `stride`, and GELU of it if asked for.

    `weight` is [I, O, 1, kernel over F]. All that one step of the input adds to becomes features
    of that step: an ordinary convolution with `stride` times O of them, whose output, features last
    as it is, already lies in memory as `stride` steps of O.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, *, stride: int, padding: int, gelu: bool = False
    ) -> None:
        num_in, num_out, _, kernel = weight.shape
        self._reach = -(-kernel // stride) - 1  # how many earlier steps a step of the output hears
        taps = F.pad(weight.detach()[:, :, 0], (0, -kernel % stride))
        taps = torch.unflatten(taps, 2, (-1, stride)).flip(2)  # [I, O, steps, stride]
        self._weight = (
            taps.permute(3, 1, 0, 2)
            .reshape(stride * num_out, num_in, 1, self._reach + 1)
            .contiguous(memory_format=torch.channels_last)
        )
        self._bias = bias.detach().repeat(stride)
        self._activation = "gelu" if gelu else "none"
        self._stride, self._kernel, self._padding = stride, kernel, padding

    def __call__(self, grid: Tensor) -> Tensor:
        num_items, num_rows, num_bins, _ = grid.shape
        num_out = len(self._bias) // self._stride
        length = (num_bins - 1) * self._stride + self._kernel - 2 * self._padding
        y = grid.new_empty(num_items, num_rows, length, num_out)
        for rows in _slabs(y, axis=1):
            z = _convolve(
                grid[:, rows], self._weight, self._bias, (0, self._reach), self._activation
            )
            z = z.view(*z.shape[:2], -1, num_out)  # [B, rows, stride * (F + reach), O]
            y[:, rows] = z[:, :, self._padding : self._padding + length]
        return y


class GatedConvolution:
    """The GLU of a convolution that keeps N and F, for odd kernels larger than 1x1.

    `weight` [2 O, I, kernel over N, kernel over F] and `bias` [2 O]: values first, then gates.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        values, gates = weight.detach().chunk(2)
        self._values = values.contiguous(memory_format=torch.channels_last)
        self._gates = gates.contiguous(memory_format=torch.channels_last)
        self._values_bias, self._gates_bias = bias.detach().chunk(2)
        self._padding = (weight.shape[2] // 2, weight.shape[3] // 2)

    def __call__(self, grid: Tensor, out: Tensor | None = None) -> Tensor:
        """With `out`, a grid of O features, into that one."""
        y = grid.new_empty(*grid.shape[:-1], len(self._values)) if out is None else out
        axis = 1 if grid.shape[1] > 1 else 2
        reach = self._padding[axis - 1]
        for rows in _slabs(y, axis):
            # Along with the rows that they hear; what comes out for those is thrown away.
            first, last = max(0, rows.start - reach), min(rows.stop + reach, grid.shape[axis])
            x = grid.narrow(axis, first, last - first)
            values = _convolve(x, self._values, self._values_bias, self._padding)
            gates = _convolve(x, self._gates, self._gates_bias, self._padding, "sigmoid")
            wanted = (axis, rows.start - first, rows.stop - rows.start)
            piece = y.narrow(axis, rows.start, rows.stop - rows.start)
            torch.mul(values.narrow(*wanted), gates.narrow(*wanted), out=piece)
        return y


def _slabs(grid: Tensor, axis: int) -> Iterator[slice]:
    """Cuts an axis of the grid such that what is made of one piece stays in the cache."""
    length = grid.shape[axis]
    size = max(1, _SLAB_VALUES * length // grid.numel())
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def _convolve(
    grid: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], activation: str = "none"
) -> Tensor:
    """A convolution of a grid with the activation fused in."""
    geometry = (padding, [1, 1], [1, 1], 1)  # no stride, no dilation, one group
    algorithm = "none" if activation == "gelu" else ""  # of GELU, the exact one
    y = torch.ops.mkldnn._convolution_pointwise(
        to_channels(grid), weight, bias, *geometry, activation, [], algorithm
    )
    return to_grid(y)
