"""Layers of the RoFormers for a CPU: the same sums as in `roformer/attention.py`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.fast.blocked_attention import SCORE_SCALE, attend
from stemsplit.models.fast.products import Product
from stemsplit.models.roformer.attention import FeedForward, GatedAttention, rotate


class FastRotaryAttention(nn.Module):
    """What a `GatedAttention` computes. The scale of the scores is multiplied into the queries."""

    def __init__(self, plain: GatedAttention) -> None:
        super().__init__()
        self._heads_shape = plain.heads_shape
        self._norm = plain.norm
        to_queries, to_keys, to_values = plain.to_qkv.weight.chunk(3)
        to_out = plain.to_out[0]
        assert isinstance(to_out, nn.Linear)
        scale = SCORE_SCALE / math.sqrt(plain.heads_shape[1])
        self._to_qkv = Product(torch.cat([to_queries * scale, to_keys, to_values]))
        self._to_gates = Product(plain.to_gates.weight, plain.to_gates.bias)
        self._to_out = Product(to_out.weight)

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        """[B, N, D] to the same shape."""
        x = self._norm(x)
        qkv = torch.unflatten(self._to_qkv(x), -1, (3, *self._heads_shape))  # [B, N, 3, heads, D']
        queries, keys = rotate(qkv[:, :, :2], rotations).unbind(2)  # [B, N, heads, D']
        few_long_ones = len(x) < x.shape[1]
        attend_all = _one_by_one if few_long_ones else _all_at_once
        attended = attend_all(queries, keys, qkv[:, :, 2])  # [B, N, heads, D']
        attended *= self._to_gates.sigmoid(x)[..., None]
        return self._to_out(attended.flatten(2))


def _one_by_one(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """For few long sequences [B, N, heads, D']."""
    attended = torch.empty_like(values, memory_format=torch.contiguous_format)
    for q, k, v, out in zip(queries, keys, values, attended, strict=True):
        q, k = (part.transpose(0, 1).contiguous() for part in (q, k))  # [heads, N, D']
        out.copy_(attend(q, k, v.permute(1, 2, 0).contiguous()).view(out.shape))
    return attended


def _all_at_once(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """For many short sequences [B, N, heads, D']."""
    q, k, v = (part.transpose(1, 2) for part in (queries, keys, values))  # [B, heads, N, D']
    attended = F.scaled_dot_product_attention(q, k, v, scale=1 / math.log2(math.e))
    return attended.transpose(1, 2).contiguous()


class FastFeedForward(nn.Module):
    """What a `FeedForward` computes."""

    def __init__(self, plain: FeedForward) -> None:
        super().__init__()
        self._norm, widen, _, _, narrow = plain.net
        assert isinstance(widen, nn.Linear)
        assert isinstance(narrow, nn.Linear)
        self._widen = Product(widen.weight, widen.bias)
        self._narrow = Product(narrow.weight, narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self._narrow(self._widen.gelu(self._norm(x)))
