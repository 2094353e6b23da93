"""Softmax attention as products of blocks that stay in the cache.

torch's own attention kernel multiplies through MKL and takes the exponential of MKL, both of which
are slow on the processors of one maker. Here are the same sums with oneDNN's products and the
exponential to base 2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stemsplit.models.fast.products import multiply

# Scores that are computed at once. Smaller blocks fit the second-level cache, and were slower: each
# operator takes 10 µs to call, and products of few rows repack the keys and values more often.
_BLOCK_SCORES = 1 << 21

# 2 ** 100 summed over a million keys is finite in float32 and bfloat16.
_MAX_EXPONENT = 100.0

SCORE_SCALE = math.log2(math.e)
"""Queries must be scaled by this over the root of the features: exponentials are to base 2."""


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of each head: queries [H, T, D], keys [H, U, D], values [H, D, U] -> [T, H * D].

    Not the usual order: the values' features come before their positions, as `multiply` needs it.
    All heads of a position come out side by side. Queries are scaled by `SCORE_SCALE` / sqrt(D).
    """
    num_heads, num_queries, width = queries.shape
    attended = queries.new_empty(num_queries, num_heads, width)
    num_blocks = -(-num_queries * keys.shape[1] // _BLOCK_SCORES)
    block = -(-num_queries // num_blocks)
    heads = zip(queries, keys, values, attended.unbind(1), strict=True)
    for (q, k, v, out), shift in zip(heads, _needs_shift(queries, keys), strict=True):
        for rows, out_rows in zip(torch.split(q, block), torch.split(out, block), strict=True):
            scores = multiply(rows, k)  # [rows, U]
            if shift:
                scores.sub_(scores.amax(dim=-1, keepdim=True))
            weights = scores.exp2_()
            total = weights.sum(dim=-1, keepdim=True)
            torch.div(multiply(weights, v), total, out=out_rows)
    return attended.flatten(1)


def _needs_shift(queries: Tensor, keys: Tensor) -> list[bool]:
    """For each head whether some score might overflow when it is made an exponent.

    No score is larger than the longest query times the longest key, and subtracting a row's
    maximum from its scores changes nothing but that.
    """
    bound = torch.linalg.vector_norm(queries, dim=-1, dtype=torch.float32).amax(
        dim=-1
    ) * torch.linalg.vector_norm(keys, dim=-1, dtype=torch.float32).amax(dim=-1)
    return [not value <= _MAX_EXPONENT for value in bound.tolist()]
