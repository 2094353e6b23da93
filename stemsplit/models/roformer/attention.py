"""Transformers over sequences [B, N, D] with rotary positions and a gate per attention head.

Lu et al. (2023), arXiv:2309.02612, section 3.3. Rotary positions: Su et al. (2021), "RoFormer",
arXiv:2104.09864. Polar positions: Gopalakrishnan et al. (2025), "Decoupling the 'What' and 'Where'
With Polar Coordinate Positional Embeddings", arXiv:2509.10534. The networks are for inference;
dropout layers are left as empty places, since the published names count them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TINY_NORM = 1e-12
"""Shorter vectors are not brought to full length: silence stays silence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RotaryTransformerConfig:
    """One transformer of a network; its feed-forward layers are four times as wide as `dim`."""

    dim: int
    depth: int
    num_heads: int
    head_dim: int
    norm_output: bool
    polar: bool = False
    """Positions are polar, not rotary."""


class RMSNorm(nn.Module):
    """Vectors [..., D] brought to the length sqrt(D), times a gain per feature."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = x.shape[-1] ** 0.5 / length.clamp_min(_TINY_NORM)  # [..., 1]
        y: Tensor = x * scale * self.gamma
        return y.to(x.dtype)


class RotaryEmbedding(nn.Module):
    """Turns pairs of features by angles that grow with the position, at the stored frequencies."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(10000.0 ** -(torch.arange(0, dim, 2) / dim))  # [D / 2]

    def forward(self, num_positions: int) -> Tensor:
        """Rotations [N, D / 2], complex numbers of length 1, of the positions 0, 1, ..., N - 1."""
        return _rotations(_angles(num_positions, self.freqs))

    @staticmethod
    def turn(pairs: Tensor, rotations: Tensor) -> Tensor:
        """Queries and keys [B, N, 2, heads, D'], turned."""
        return rotate(pairs, rotations)


class PolarEmbedding(nn.Module):
    """Makes each feature the length of a vector, whose angle grows with the position.

    Keys are turned back by a learned angle for each head and feature, so that attention may look
    for other distances than none.
    """

    def __init__(self, num_heads: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("inv_freqs", 10000.0 ** -(torch.arange(dim) / dim))  # [D']
        self.bias = nn.Parameter(torch.zeros(num_heads, dim))

    def forward(self, num_positions: int) -> Tensor:
        """Rotations [N, 2, heads, D'] of queries and of keys at the positions 0, 1, ..., N - 1."""
        angles = _angles(num_positions, self.get_buffer("inv_freqs"))[:, None]  # [N, 1, D']
        back = self.bias.float().clamp(-2 * math.pi, 0)
        return _rotations(torch.stack((angles.expand(-1, *back.shape), angles + back), dim=1))

    @staticmethod
    def turn(pairs: Tensor, rotations: Tensor) -> Tensor:
        """Queries and keys [B, N, 2, heads, D'] as vectors, [B, N, 2, heads, 2D']."""
        vectors = torch.view_as_real(F.softplus(pairs.float()) * rotations)
        return vectors.flatten(-2).to(pairs.dtype)


def positions_of(config: RotaryTransformerConfig) -> RotaryEmbedding | PolarEmbedding:
    """What tells the transformers of this kind where in a sequence they are."""
    if config.polar:
        return PolarEmbedding(config.num_heads, config.head_dim)
    return RotaryEmbedding(config.head_dim)


def _angles(num_positions: int, freqs: Tensor) -> Tensor:
    """[N, D] of the positions 0, 1, ..., N - 1 at these frequencies."""
    positions = torch.arange(num_positions, dtype=torch.float32, device=freqs.device)
    return torch.outer(positions, freqs.float())


def _rotations(angles: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angles), angles)


class GatedAttention(nn.Module):
    """Multi-head self-attention whose heads are each scaled by a gate in (0, 1) per token.

    `positions` are stored with each layer; who runs the layers makes the rotations of them, once
    for all that share them.
    """

    def __init__(
        self, config: RotaryTransformerConfig, positions: RotaryEmbedding | PolarEmbedding
    ) -> None:
        super().__init__()
        width = config.num_heads * config.head_dim
        self.heads_shape = (config.num_heads, config.head_dim)
        self.norm = RMSNorm(config.dim)
        self.add_module("pope_embed" if config.polar else "rotary_embed", positions)
        self.turn = positions.turn
        self.is_rotary = not config.polar
        self.to_qkv = nn.Linear(config.dim, 3 * width, bias=False)
        self.to_gates = nn.Linear(config.dim, config.num_heads)
        self.to_out = nn.Sequential(nn.Linear(width, config.dim, bias=False))

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        x = self.norm(x)
        qkv = torch.unflatten(self.to_qkv(x), -1, (3, *self.heads_shape))  # [B, N, 3, heads, D']
        turned = self.turn(qkv[:, :, :2], rotations)  # [B, N, 2, heads, D' or 2D']
        q, k = turned.transpose(1, 3).unbind(2)  # [B, heads, N, D' or 2D']
        v = qkv[:, :, 2].transpose(1, 2)  # [B, heads, N, D']
        attended = F.scaled_dot_product_attention(q, k, v, scale=self.heads_shape[1] ** -0.5)
        gates = torch.sigmoid(self.to_gates(x))  # [B, N, heads]
        gated = attended.transpose(1, 2) * gates[..., None]  # [B, N, heads, D']
        mixed: Tensor = self.to_out(gated.flatten(2))  # [B, N, D]
        return mixed


def rotate(pairs: Tensor, rotations: Tensor) -> Tensor:
    """Features [B, N, 2, heads, D'] with each two neighbours turned by the rotations [N, D'/2].

    As complex numbers this is one multiplication: 14 times as fast (one CPU core) as the same in
    real arithmetic on neighbours.
    """
    numbers = torch.view_as_complex(torch.unflatten(pairs.float(), -1, (-1, 2)))
    turned = torch.view_as_real(numbers * rotations[:, None, None])  # [B, N, 2, heads, D'/2, 2]
    return turned.flatten(-2).to(pairs.dtype)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            RMSNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Identity(),  # dropout
            nn.Linear(4 * dim, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class Transformer(nn.Module):
    """Sequences [B, N, D] to the same shape, given the rotations of N positions."""

    def __init__(
        self, config: RotaryTransformerConfig, positions: RotaryEmbedding | PolarEmbedding
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer([GatedAttention(config, positions), FeedForward(config.dim)])
            for _ in range(config.depth)
        )
        self.norm = RMSNorm(config.dim) if config.norm_output else nn.Identity()

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, rotations)
        y: Tensor = self.norm(x)
        return y


class _Layer(nn.ModuleList):
    """Attention and what follows it, under the published names `0` and `1`."""

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        attend, feed_forward = self
        x = x + attend(x, rotations)
        y: Tensor = x + feed_forward(x)
        return y
