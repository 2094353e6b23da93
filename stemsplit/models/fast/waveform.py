"""A chain of layers over a waveform, [B, D, T], for a CPU, with the features last in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import DConv
from stemsplit.models.fast.convolutions import (
    Convolution,
    GatedConvolution,
    TransposedConvolution,
)
from stemsplit.models.fast.folded_dconv import FastDConv
from stemsplit.models.fast.products import GatedProduct, Product

Step = Callable[[Tensor], Tensor]


class FastChain(nn.Module):
    """What a `Sequential` of convolutions, activations and DConv branches computes.

    It may overwrite what it is given.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self._steps = list(_steps([layer for layer in layers if type(layer) is not nn.Identity]))

    def forward(self, x: Tensor) -> Tensor:
        grid = x.transpose(1, 2)[:, None].contiguous()  # [B, 1, T, D]
        for step in self._steps:
            grid = step(grid)
        return grid[:, 0].transpose(1, 2)  # [B, D, T]


def is_pointwise(layer: nn.Conv1d) -> bool:
    """Whether the convolution is a matrix product per step."""
    return layer.kernel_size == layer.stride == (1,) and layer.padding == (0,) and layer.groups == 1


class FastPointwise(nn.Module):
    """What a `Conv1d` of kernel size 1 computes."""

    def __init__(self, layer: nn.Conv1d) -> None:
        super().__init__()
        self._product = Product(layer.weight[..., 0], layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x.transpose(1, 2).contiguous()).transpose(1, 2)


def _steps(layers: list[nn.Module]) -> Iterator[Step]:
    index = 0
    while index < len(layers):
        layer, following = layers[index], layers[index + 1 : index + 2]
        if isinstance(layer, nn.Conv1d) and following and isinstance(following[0], nn.GLU):
            yield _gated(layer)
            index += 1  # the GLU is part of it
        else:
            yield _step(layer)
        index += 1


def _gated(layer: nn.Conv1d) -> Step:
    assert layer.bias is not None
    if layer.kernel_size == (1,) and layer.out_channels == 2 * layer.in_channels:
        return GatedProduct(layer.weight[..., 0], layer.bias)
    return GatedConvolution(layer.weight[:, :, None], layer.bias)


def _step(layer: nn.Module) -> Step:
    if isinstance(layer, nn.Conv1d):
        stride, padding = layer.stride[0], int(layer.padding[0])
        weight = layer.weight[:, :, None]
        return Convolution(weight, layer.bias, stride=(1, stride), padding=(0, padding))
    if isinstance(layer, nn.ConvTranspose1d):
        assert layer.bias is not None
        weight, stride = layer.weight[:, :, None], layer.stride[0]
        return TransposedConvolution(weight, layer.bias, stride=stride, padding=0)
    if isinstance(layer, nn.GELU):
        return torch.ops.aten.gelu_
    if isinstance(layer, DConv):
        dconv = FastDConv(layer)
        return lambda grid: dconv.over_frames(grid.transpose(1, 2)).transpose(1, 2)
    return lambda grid: _on_channels(layer, grid)


def _on_channels(layer: nn.Module, grid: Tensor) -> Tensor:
    """Any other layer, as it is: those that normalise run on short sequences."""
    y: Tensor = layer(grid[:, 0].transpose(1, 2))
    return y.transpose(1, 2)[:, None].contiguous()
