"""The cross-domain transformer for a CPU: the same sums as in `htdemucs/transformer.py`.

Constants are multiplied into the weights ahead of time: the layers' gains, the attention's scale.
The bias of the keys is left out, since it adds the same to all scores of a query, and the softmax
takes that away; the bias of the values comes through the softmax unchanged and moves into the
output's bias.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import LayerScale
from stemsplit.models.fast.blocked_attention import SCORE_SCALE, attend
from stemsplit.models.fast.normalization import normalize
from stemsplit.models.fast.products import Product, multiply, tiles
from stemsplit.models.htdemucs.transformer import (
    Attention,
    CrossLayer,
    NormOverTime,
    SelfLayer,
)


class FastAttention:
    """`residual + gain * Attention(queries, memory)` of tokens [B, T, D] and [B, U, D]."""

    def __init__(self, attention: Attention, gain: Tensor, *, dtype: torch.dtype) -> None:
        dim = attention.out_proj.in_features
        self._num_heads = attention.num_heads
        self._dtype = dtype
        scale = SCORE_SCALE / math.sqrt(dim // self._num_heads)
        to_queries, to_keys, to_values = attention.in_proj_weight.detach().chunk(3)
        self._to_values = to_values.to(dtype, copy=True)  # not the other two with it
        queries_bias, _, values_bias = attention.in_proj_bias.detach().chunk(3)
        self._queries = Product(to_queries * scale, queries_bias * scale, dtype=dtype)
        self._keys = Product(to_keys, dtype=dtype)
        out, out_bias = attention.out_proj.weight.detach(), attention.out_proj.bias.detach()
        self._out = Product(out * gain[:, None], gain * (out_bias + out @ values_bias))

    def __call__(self, queries: Tensor, memory: Tensor, residual: Tensor) -> Tensor:
        own = queries.to(self._dtype)
        other = own if memory is queries else memory.to(self._dtype)
        attended = torch.stack([self._attend(*item) for item in zip(own, other, strict=True)])
        return self._out.plus(attended.to(residual.dtype), residual)

    def _attend(self, queries: Tensor, memory: Tensor) -> Tensor:
        """One item, [T, D] and [U, D] -> [T, D]."""
        q = self._split(self._queries(queries))
        k = self._split(self._keys(memory))
        v = torch.unflatten(multiply(self._to_values, memory), 0, (self._num_heads, -1))
        return attend(q, k, v)  # values are [H, D / H, U]

    def _split(self, tokens: Tensor) -> Tensor:
        heads = torch.unflatten(tokens, -1, (self._num_heads, -1)).transpose(0, 1)  # [H, T, D / H]
        return heads.contiguous()


class _FastFeedForward:
    """The second half of a layer: `x + gain * FF(norm(x))`, and the norm at its end."""

    def __init__(self, layer: SelfLayer | CrossLayer, norm: nn.Module, dtype: torch.dtype) -> None:
        gain = _gain(layer.gamma_2, layer.linear2.out_features)
        self._norm = norm
        self._norm_out = layer.norm_out
        self._dtype = dtype
        self._has_gelu = layer.activation is F.gelu
        self._num_hidden = layer.linear1.out_features
        self._widen = Product(layer.linear1.weight, layer.linear1.bias, dtype=dtype)
        self._narrow = Product(
            layer.linear2.weight.detach() * gain[:, None],
            layer.linear2.bias.detach() * gain,
            dtype=dtype,
        )

    def __call__(self, x: Tensor) -> Tensor:
        normed = self._norm(x).to(self._dtype)
        y = torch.empty_like(x)
        pieces = (tiles(tensor, width=self._num_hidden) for tensor in (normed, x, y))
        for rows, x_rows, y_rows in zip(*pieces, strict=True):
            hidden = self._widen.gelu(rows) if self._has_gelu else self._widen(rows).relu_()
            torch.add(x_rows, self._narrow(hidden), out=y_rows)
        return _norm_over_time(self._norm_out, y)


class FastSelfLayer(nn.Module):
    """What a `SelfLayer` computes; attention and feed-forward layers in `dtype`."""

    def __init__(self, layer: SelfLayer, dtype: torch.dtype) -> None:
        super().__init__()
        gain = _gain(layer.gamma_1, layer.linear2.out_features)
        self._norm = layer.norm1
        self._attention = FastAttention(layer.self_attn, gain, dtype=dtype)
        self._feed_forward = _FastFeedForward(layer, layer.norm2, dtype)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self._norm(x)
        return self._feed_forward(self._attention(tokens, tokens, x))


class FastCrossLayer(nn.Module):
    """What a `CrossLayer` computes; attention and feed-forward layers in `dtype`."""

    def __init__(self, layer: CrossLayer, dtype: torch.dtype) -> None:
        super().__init__()
        gain = _gain(layer.gamma_1, layer.linear2.out_features)
        self._norm, self._norm_other = layer.norm1, layer.norm2
        self._attention = FastAttention(layer.cross_attn, gain, dtype=dtype)
        self._feed_forward = _FastFeedForward(layer, layer.norm3, dtype)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return self._feed_forward(self._attention(self._norm(x), self._norm_other(other), x))


def _gain(scale: nn.Module, dim: int) -> Tensor:
    return scale.scale.detach() if isinstance(scale, LayerScale) else torch.ones(dim)


def _norm_over_time(norm: nn.Module, x: Tensor) -> Tensor:
    """`norm` of x [B, T, D]; `NormOverTime` without transposing it there and back."""
    if isinstance(norm, NormOverTime):
        return normalize(x, norm, dims=(1, 2))
    y: Tensor = norm(x)
    return y
