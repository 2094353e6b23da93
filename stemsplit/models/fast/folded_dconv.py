"""The residual branch of dilated convolutions, with its second normalisation folded away.

Of a branch's tensors only the hidden ones are small: the second convolution makes sixteen times as
many features out of them. Instead of being computed, normalised and gated in four passes, these are
computed normalised: mean and variance of an affine map of the hidden features h follow from the
mean and the covariance of h, and the normalisation itself is affine, so it goes into the weights.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import DConv, LayerScale
from stemsplit.models.fast.convolutions import Convolution
from stemsplit.models.fast.normalization import in_float64, normalize
from stemsplit.models.fast.products import Product, tiles


class FastDConv(nn.Module):
    """What a `DConv` computes, of [B, D, T]; or, with `over_frames`, of a grid and in place."""

    def __init__(self, dconv: DConv) -> None:
        super().__init__()
        self._layers = [_Layer(layer) for layer in dconv.layers if isinstance(layer, nn.Sequential)]

    def forward(self, x: Tensor) -> Tensor:
        grid = x.transpose(1, 2)[:, :, None].clone(memory_format=torch.contiguous_format)
        return self.over_frames(grid)[:, :, 0].transpose(1, 2)  # [B, D, T]

    def over_frames(self, grid: Tensor) -> Tensor:
        """Over N of a grid [B, N, F, D]. Bins are normalised apart from each other."""
        for layer in self._layers:
            layer.add_to(grid)
        return grid


class _Layer:
    def __init__(self, layer: nn.Sequential) -> None:
        first, middle, _, *self._between, second, last, _, gains = layer
        narrow, widen = cast(nn.Conv1d, first), cast(nn.Conv1d, second)
        norm, wide_norm = cast(nn.GroupNorm, middle), cast(nn.GroupNorm, last)
        dilation, padding = narrow.dilation[0], int(narrow.padding[0])
        self._over_frames = Convolution(
            narrow.weight[..., None], narrow.bias, padding=(padding, 0), dilation=(dilation, 1)
        )
        self._over_steps = Convolution(
            narrow.weight[:, :, None], narrow.bias, padding=(0, padding), dilation=(1, dilation)
        )
        self._norm, self._epsilon = norm, wide_norm.eps

        weight, bias = widen.weight.detach()[..., 0], cast(Tensor, widen.bias).detach()
        self._exact_weight, self._exact_bias = weight.double(), bias.double()
        self._gram = self._exact_weight.t() @ self._exact_weight / len(weight)  # [H, H]
        gain = wide_norm.weight.detach()[:, None]
        # Applied to (h / std, 1 / std, mean / std), for a mean and std per bin.
        folded = gain * torch.cat([weight, bias[:, None], -torch.ones_like(gain)], dim=1)
        offset = wide_norm.bias.detach()
        num_out = len(weight) // 2
        scale = cast(LayerScale, gains).scale.detach()
        self._values = Product(folded[:num_out] * scale[:, None], offset[:num_out] * scale)
        self._gates = Product(folded[num_out:], offset[num_out:])

    def add_to(self, grid: Tensor) -> None:
        hidden = self._hidden(grid)  # [B, N, F, H]
        mean, std_inverse = self._statistics(hidden)  # [B, 1, F, 1]
        width = hidden.shape[-1]
        features = hidden.new_empty(*hidden.shape[:-1], width + 2)
        torch.mul(hidden, std_inverse.float(), out=features[..., :width])
        features[..., width : width + 1] = std_inverse
        features[..., width + 1 :] = mean * std_inverse
        for rows, inputs in zip(tiles(grid), tiles(features, width=grid.shape[-1]), strict=True):
            rows.addcmul_(self._values(inputs), self._gates.sigmoid(inputs))

    def _hidden(self, grid: Tensor) -> Tensor:
        if grid.shape[2] == 1:  # a waveform: oneDNN is faster along the last axis
            hidden = self._over_steps(grid.transpose(1, 2)).transpose(1, 2)
        else:
            hidden = self._over_frames(grid)
        hidden = torch.ops.aten.gelu_(normalize(hidden, self._norm, dims=(1, 3)))
        return self._look_far(hidden) if self._between else hidden

    def _look_far(self, hidden: Tensor) -> Tensor:
        """LSTM and attention, for layers that have them, as they are."""
        num_items, _, num_bins, _ = hidden.shape
        rows = hidden.permute(0, 2, 3, 1).flatten(0, 1)  # [B * F, H, N]
        for module in self._between:
            rows = module(rows)
        apart = torch.unflatten(rows, 0, (num_items, num_bins))  # [B, F, H, N]
        return apart.permute(0, 3, 1, 2).contiguous()

    def _statistics(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and inverse deviation [B, 1, F, 1], float64, of `weight @ h + bias` over N and D.

        The variance is the sum of what varies within the features and what varies between them,
        both of which are positive. See `normalization` for why the sums are in float64.
        """
        num_items, num_rows, num_bins, width = hidden.shape
        total = hidden.new_zeros(num_items, num_bins, 1, width, dtype=torch.float64)
        products = hidden.new_zeros(num_items, num_bins, width, width, dtype=torch.float64)
        for piece in in_float64(hidden):
            rows = piece.transpose(1, 2)  # [B, F, n, H]
            total += rows.sum(dim=2, keepdim=True)
            products += rows.transpose(2, 3) @ rows
        center = total / num_rows  # [B, F, 1, H]
        covariance = products / num_rows - center.transpose(2, 3) @ center  # [B, F, H, H]
        expected = F.linear(center, self._exact_weight, self._exact_bias)  # [B, F, 1, 2D]
        between, mean = torch.var_mean(expected, dim=-1, correction=0, keepdim=True)
        within = (covariance * self._gram).sum(dim=(2, 3), keepdim=True).clamp_(min=0)
        std_inverse = torch.rsqrt(within + between + self._epsilon)  # [B, F, 1, 1]
        return mean.transpose(1, 2), std_inverse.transpose(1, 2)
