"""Layers of the hybrid U-Net for a CPU: the same sums as in `blocks/hybrid_layers.py`.

They take and give the same tensors, [B, D, F, N] and [B, D, T], but lay them out in memory with the
features last, so that between two of these layers nothing is ever reordered.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import DConv
from stemsplit.models.blocks.hybrid_layers import DecoderLayer, EncoderLayer, LayerConfig
from stemsplit.models.fast.convolutions import (
    Convolution,
    GatedConvolution,
    TransposedConvolution,
)
from stemsplit.models.fast.folded_dconv import FastDConv
from stemsplit.models.fast.products import GatedProduct


def fits(layer: EncoderLayer | DecoderLayer) -> bool:
    """Whether a layer's fast version computes all of it: those that normalise are kept as they are.

    They lie deep in the network, where little is left to compute.
    """
    return not layer.config.norm_groups and not layer.config.bare


class FastEncoderLayer(nn.Module):
    """What an `EncoderLayer` computes, if it `fits`."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        self.config = layer.config
        self._shorten = Convolution(
            _kernel(layer.conv),
            _bias(layer.conv),
            stride=(1, layer.config.stride),
            padding=(0, layer.config.padding),
        )
        self._dconv = _fast_dconv(layer.dconv)
        self._rewrite = _fast_rewrite(layer.rewrite)
        # What little of the network is to be had in float64 too (`blocks.short_sounds`).
        self._plain = None if layer.config.on_frequency else (layer,)  # no part of the state

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:
        config = self.config
        if not config.on_frequency and x.ndim == 4:
            x = x.flatten(1, 2)  # the only bin: [B, D, N]
        grid = _to_grid(x)
        if not config.on_frequency:
            grid = nn.functional.pad(grid, (0, 0, 0, -grid.shape[2] % config.stride))
        y = self._shorten(grid)
        if inject is not None:
            y = y + inject.transpose(1, 2)[:, :, None]  # [B, N, 1, D]
        y = _over_time(self._dconv, torch.ops.aten.gelu_(y), self.config)
        return _from_grid(self._rewrite(y), x.ndim)

    def exactly(self, x: Tensor) -> Tensor:
        """As the plain layer."""
        assert self._plain is not None
        return self._plain[0].exactly(x)


class FastDecoderLayer(nn.Module):
    """What a `DecoderLayer` computes, if it `fits`."""

    def __init__(self, layer: DecoderLayer) -> None:
        super().__init__()
        self.config = layer.config
        self._rewrite = _fast_rewrite(layer.rewrite)
        self._dconv = _fast_dconv(layer.dconv)
        self._lengthen = TransposedConvolution(
            _kernel(layer.conv_tr),
            _bias(layer.conv_tr),
            stride=layer.config.stride,
            padding=layer.config.padding,
            gelu=not layer.config.outermost,
        )

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """As the plain layer, but that both x and skip are overwritten."""
        config = self.config
        if config.on_frequency and x.ndim == 3:
            x = x[:, :, None]  # [B, D, 1, N]
        y = _to_grid(x.add_(skip))
        if isinstance(self._rewrite, GatedConvolution):
            # At the bottom of a network without a transformer, x and skip are one.
            y = self._rewrite(y, out=None if x.data_ptr() == skip.data_ptr() else _to_grid(skip))
        else:
            y = self._rewrite(y)
        y = _over_time(self._dconv, y, config)
        z = self._lengthen(y)
        if not config.on_frequency:
            z = z[:, :, :length]
        return _from_grid(z, x.ndim), _from_grid(y, x.ndim)


def _to_grid(x: Tensor) -> Tensor:
    """[B, D, F, N] as [B, N, F, D], and [B, D, T] as [B, 1, T, D]: of our own tensors, a view."""
    grid = x.permute(0, 3, 2, 1) if x.ndim == 4 else x.transpose(1, 2)[:, None]
    return grid.contiguous()


def _from_grid(grid: Tensor, num_axes: int) -> Tensor:
    return grid.permute(0, 3, 2, 1) if num_axes == 4 else grid[:, 0].transpose(1, 2)


def _over_time(dconv: FastDConv | None, grid: Tensor, config: LayerConfig) -> Tensor:
    """`dconv` over the frames of the spectrogram, or over the steps of the waveform."""
    if dconv is None:
        return grid
    if config.on_frequency:
        return dconv.over_frames(grid)
    return dconv.over_frames(grid.transpose(1, 2)).transpose(1, 2)  # [B, T, 1, D] and back


def _kernel(convolution: nn.Module) -> Tensor:
    """The weight as [O, I, kernel over N, kernel over F], of one for waveforms too."""
    weight = convolution.weight
    assert isinstance(weight, Tensor)
    return weight.transpose(2, 3) if weight.ndim == 4 else weight[:, :, None]


def _bias(convolution: nn.Module) -> Tensor:
    bias = convolution.bias
    assert isinstance(bias, Tensor)
    return bias


def _fast_dconv(dconv: nn.Module) -> FastDConv | None:
    return FastDConv(dconv) if isinstance(dconv, DConv) else None


def _fast_rewrite(rewrite: nn.Module) -> GatedProduct | GatedConvolution | nn.Identity:
    if isinstance(rewrite, nn.Identity):
        return rewrite
    kernel = _kernel(rewrite)
    if kernel.shape[2:] == (1, 1):
        return GatedProduct(kernel.flatten(1), _bias(rewrite))
    return GatedConvolution(kernel, _bias(rewrite))
