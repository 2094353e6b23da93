"""Layers of MDX-Net for a CPU: the same sums as in `mdxnet/model.py`, features last in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.fast.convolutions import to_channels, to_grid
from stemsplit.models.mdxnet.model import Rescale, TfcTdf

_SLAB_VALUES = 1 << 23
"""Of a map that is made at a time: memory of this size is used again, more comes anew from the
system each time, which takes as long as the convolution that fills it."""
_TILE_VALUES = 1 << 21
"""Of a map whose products are made at a time: they stay in the cache until they are added."""


class FastRescale(nn.Module):
    """What a `Rescale` computes. Maps are [B, D, N, F], features last in memory."""

    def __init__(self, plain: Rescale) -> None:
        super().__init__()
        convolution = plain[0]
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        self._is_up = isinstance(convolution, nn.ConvTranspose2d)
        assert convolution.bias is not None
        self._stride = cast("tuple[int, int]", convolution.stride)
        weight, bias = convolution.weight.detach(), convolution.bias.detach()
        if self._is_up:  # a product that gives all outputs of a position as features of it
            bias = bias.repeat(self._stride[0] * self._stride[1])
            weight = weight.permute(2, 3, 1, 0).flatten(0, 2)[..., None, None]  # [n f O, I, 1, 1]
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._bias = bias

    def forward(self, x: Tensor) -> Tensor:
        if not self._is_up:
            return _convolve(x, self._weight, self._bias, stride=self._stride)
        grid = to_grid(_convolve(x, self._weight, self._bias))  # [B, N, F, n f O]
        blocks = torch.unflatten(grid, -1, (*self._stride, -1))  # [B, N, F, n, f, O]
        return to_channels(blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2))


class FastTfcTdf(nn.Module):
    """What a `TfcTdf` computes. Maps are [B, D, N, F], features last in memory."""

    def __init__(self, plain: TfcTdf) -> None:
        super().__init__()
        self._convolutions = [
            _kernel(cast(nn.Conv2d, cast(nn.Sequential, layer)[0])) for layer in plain.tfc.H
        ]
        self._reach = sum(weight.shape[2] // 2 for weight, _ in self._convolutions)
        layers = [] if plain.tdf is None else list(plain.tdf)
        self._products = [
            _BinProduct(cast(nn.Linear, product), cast(ChannelAffine, affine))
            for product, affine in zip(layers[::3], layers[1::3], strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        y = torch.empty_like(x, memory_format=torch.channels_last)
        grid, num_frames = to_grid(y), x.shape[2]
        for frames in _cut(num_frames, x.numel(), _SLAB_VALUES):
            # Along with the frames that they hear; what comes out for those is thrown away.
            first = max(0, frames.start - self._reach)
            last = min(frames.stop + self._reach, num_frames)
            mixed = self._mixed(x[:, :, first:last])
            mixed = mixed[:, frames.start - first : frames.stop - first]
            self._add_products(mixed, out=grid[:, frames])
        return y

    def _mixed(self, x: Tensor) -> Tensor:
        """What the convolutions make of it, as a grid [B, N, F, D]."""
        for weight, bias in self._convolutions:
            x = _convolve(x, weight, bias, padding=weight.shape[-1] // 2)
        return to_grid(x)

    def _add_products(self, grid: Tensor, *, out: Tensor) -> None:
        if not self._products:
            out.copy_(grid)
            return
        for frames in _cut(grid.shape[1], grid.numel(), _TILE_VALUES):
            tile = y = grid[:, frames]
            for product in self._products:
                y = product(y)
            torch.add(tile, y, out=out[:, frames])


def _cut(num_frames: int, num_values: int, values: int) -> Iterator[slice]:
    """Cuts frames with so many values between them into pieces of about `values`."""
    size = max(1, values * num_frames // num_values)
    for start in range(0, num_frames, size):
        yield slice(start, min(start + size, num_frames))


class _BinProduct:
    """Products over the bins of [B, N, F, D], a gain and an offset per feature, and ReLU."""

    def __init__(self, product: nn.Linear, affine: ChannelAffine) -> None:
        self._weight = product.weight.detach()
        self._gain = affine.weight.detach()
        self._offset = affine.bias.detach()
        if product.bias is not None:  # of a bin: it has the feature's gain as well
            self._offset = torch.addr(self._offset, product.bias.detach(), self._gain)  # [F', D]

    def __call__(self, grid: Tensor) -> Tensor:
        frames = grid.flatten(0, 1)  # [B N, F, D]
        y = torch.bmm(self._weight.expand(len(frames), -1, -1), frames)
        torch.addcmul(self._offset, y, self._gain, out=y).relu_()
        return torch.unflatten(y, 0, grid.shape[:2])


def _kernel(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert convolution.bias is not None
    weight = convolution.weight.detach().contiguous(memory_format=torch.channels_last)
    return weight, convolution.bias.detach()


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor, *, stride: tuple[int, int] = (1, 1), padding: int = 0
) -> Tensor:
    """A convolution, and ReLU fused in."""
    geometry = ([padding] * 2, stride, [1, 1], 1)  # no dilation, one group
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x.contiguous(memory_format=torch.channels_last), weight, bias, *geometry, "relu", [], ""
    )
    return y
