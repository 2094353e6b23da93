"""Nearest-neighbour upsampling with a layer of single steps behind it."""

from __future__ import annotations

from torch import Tensor, nn


class Repeated(nn.Sequential):
    """[B, D, ...] -> [B, D', ...], `factor` times as long on each axis.

    It has the positions of upsampling and layer, in this order, as checkpoints name them. But the
    layer is run first: it makes the same of the same, and of fewer steps.
    """

    def __init__(self, layer: nn.Module, factor: int) -> None:
        super().__init__(nn.Upsample(scale_factor=factor), layer)

    def forward(self, x: Tensor) -> Tensor:
        repeat, layer = self
        y: Tensor = repeat(layer(x))
        return y
