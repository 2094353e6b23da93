"""The cross-domain transformer: spectrogram tokens and waveform tokens that attend to each other.

Rouard, Massa, Défossez (2023), arXiv:2211.08553, section 3. Tokens are [B, T, D].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.dconv import LayerScale
from stemsplit.models.htdemucs.config import TransformerConfig
from stemsplit.models.htdemucs.positions import positions_1d, positions_2d


class CrossTransformer(nn.Module):
    """Spectrogram [B, D, F, N] and waveform [B, D, T] features to the same shapes.

    Layers alternate between attention within each branch and attention across the branches.
    """

    def __init__(self, dim: int, config: TransformerConfig) -> None:
        super().__init__()
        if dim % 4 or dim < 8:
            raise ValueError(f"sine positions need a multiple of 4 features, got {dim}")
        if dim % config.num_heads:
            raise ValueError(f"{dim} features do not divide by {config.num_heads} heads")
        self.config = config
        self.norm_in = _input_norm(dim, config)
        self.norm_in_t = _input_norm(dim, config)
        self.layers = nn.ModuleList()
        self.layers_t = nn.ModuleList()
        for index in range(config.num_layers):
            layer = CrossLayer if self._is_cross(index) else SelfLayer
            self.layers.append(layer(dim, config))
            self.layers_t.append(layer(dim, config))

    def forward(self, x: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        num_bins, num_frames = x.shape[2:]
        x = x.transpose(2, 3).flatten(2).transpose(1, 2)  # [B, N * F, D], bins of a frame together
        waveform = waveform.transpose(1, 2)  # [B, T, D]
        x = self.norm_in(x) + self._positions_of_bins(x, num_bins, num_frames)
        waveform = self.norm_in_t(waveform) + self._positions_of_steps(waveform)
        for index, (layer, layer_t) in enumerate(zip(self.layers, self.layers_t, strict=True)):
            if self._is_cross(index):
                x, waveform = layer(x, waveform), layer_t(waveform, x)
            else:
                x, waveform = layer(x), layer_t(waveform)
        x = torch.unflatten(x.transpose(1, 2), 2, (num_frames, num_bins)).transpose(
            2, 3
        )  # [B, D, F, N]
        return x, waveform.transpose(1, 2)

    def _is_cross(self, index: int) -> bool:
        return (index % 2 == 0) == self.config.cross_first

    def _positions_of_bins(self, x: Tensor, num_bins: int, num_frames: int) -> Tensor:
        positions = positions_2d(
            num_bins,
            num_frames,
            dim=x.shape[-1],
            max_period=self.config.max_period,
            device=x.device,
        )
        return self.config.position_weight * positions.to(x.dtype)

    def _positions_of_steps(self, waveform: Tensor) -> Tensor:
        positions = positions_1d(
            waveform.shape[1],
            dim=waveform.shape[-1],
            max_period=self.config.max_period,
            device=waveform.device,
        )
        return self.config.position_weight * positions.to(waveform.dtype)


class Attention(nn.Module):
    """Multi-head attention of queries [B, T, D] to a memory [B, T', D].

    The projections of queries, keys and values are stored one under the other, as in
    `torch.nn.MultiheadAttention`, which the published networks use.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * dim))
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            torch.unflatten(F.linear(tokens, weight, bias), -1, (self.num_heads, -1)).transpose(
                1, 2
            )
            for tokens, weight, bias in zip((queries, memory, memory), weights, biases, strict=True)
        )  # [B, heads, T, D / heads]
        attended = F.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))  # [B, T, D]
        return mixed


class _FeedForward(nn.Module):
    """What both kinds of layer share: the second half, and the gains of the two residual paths.

    A base class, not a member, since the published names have no level in between.
    """

    def __init__(self, dim: int, config: TransformerConfig) -> None:
        super().__init__()
        hidden = int(dim * config.hidden_scale)
        self.activation = F.gelu if config.gelu else F.relu
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.gamma_1 = LayerScale(dim, channel_last=True) if config.layer_scale else nn.Identity()
        self.gamma_2 = LayerScale(dim, channel_last=True) if config.layer_scale else nn.Identity()
        self.norm_out = NormOverTime(dim) if config.norm_out else nn.Identity()

    def _finish(self, x: Tensor, normed: Tensor) -> Tensor:
        x = x + self.gamma_2(self.linear2(self.activation(self.linear1(normed))))
        y: Tensor = self.norm_out(x)
        return y


class SelfLayer(_FeedForward):
    """A branch attends to itself."""

    def __init__(self, dim: int, config: TransformerConfig) -> None:
        super().__init__(dim, config)
        self.self_attn = Attention(dim, config.num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm1(x)
        x = x + self.gamma_1(self.self_attn(tokens, tokens))
        return self._finish(x, self.norm2(x))


class CrossLayer(_FeedForward):
    """A branch attends to the other one."""

    def __init__(self, dim: int, config: TransformerConfig) -> None:
        super().__init__(dim, config)
        self.cross_attn = Attention(dim, config.num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        x = x + self.gamma_1(self.cross_attn(self.norm1(x), self.norm2(other)))
        return self._finish(x, self.norm3(x))


class NormOverTime(nn.GroupNorm):
    """Normalises each item [T, D] of a batch as a whole, with a gain and an offset per feature."""

    def __init__(self, dim: int) -> None:
        super().__init__(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def _input_norm(dim: int, config: TransformerConfig) -> nn.Module:
    if config.norm_in:
        return nn.LayerNorm(dim)
    return NormOverTime(dim) if config.norm_in_over_time else nn.Identity()
