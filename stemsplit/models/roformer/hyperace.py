"""Masks of a Band-Split RoFormer to which a U-Net over time and bands adds its own: HyperACE.

Lei et al. (2025), "YOLOv13: Real-Time Object Detection with Hypergraph-Enhanced Adaptive Visual
Perception", arXiv:2506.17733, sections 3.2 and 3.3: at four scales points of the picture are joined
by hyperedges, each of which joins all of them to some degree. Here in the form that pcunwa's second
BS-RoFormer-HyperACE has, for stereo.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.roformer.bands import Bands, MaskEstimator
from stemsplit.models.roformer.hyperace_layers import (
    CrossStage,
    HalfStage,
    Pointwise,
    Separated,
    TwiceTheBands,
    resized,
)

_STEM_FEATURES = 64
_FEATURES = (256, 384, 512, 768)
"""Of the four scales, from the finest to the coarsest."""
_DEPTHS = (2, 4, 4, 2)
_STRIDES = ((2, 1), (2, 1), (2, 2), (2, 2))
"""Frames and bands that become one from scale to scale."""
_FUSED = _FEATURES[2]
_NUM_HYPEREDGES = 32
_NUM_HEADS = 8
_NUM_PARTS = 4
"""Real and imaginary parts of two channels."""


def has_hyperace(tensor_names: Iterable[str]) -> bool:
    """Whether a checkpoint with these tensors has such masks; its configuration does not say."""
    return any(".segm." in name for name in tensor_names)


class HyperAceMaskEstimator(MaskEstimator):
    """Features [B, N, K, D] to a mask [B, N, F, 4] of one stem."""

    def __init__(self, bands: Bands, *, num_channels: int, dim: int, hidden: Sequence[int]) -> None:
        super().__init__(bands, num_channels=num_channels, dim=dim, hidden=hidden)
        self.segm = _MaskPicture(num_bands=len(bands), dim=dim, num_bins=bands[-1].stop)

    def forward(self, features: Tensor) -> Tensor:
        # Its norms over few points make much of a rounding: it stays in float32 where autocast is
        # on.
        with torch.autocast(features.device.type, enabled=False):
            picture: Tensor = self.segm(features.float().permute(0, 3, 1, 2))  # [B, 4, N, F]
        return super().forward(features) + picture.permute(0, 2, 3, 1)


class _MaskPicture(nn.Module):
    """Features [B, D, N, K] to a mask [B, 4, N, F]."""

    def __init__(self, *, num_bands: int, dim: int, num_bins: int) -> None:
        super().__init__()
        self.backbone = _Encoder(dim)
        self.hyperace = _HyperAce()
        self.decoder = _Decoder()
        self.upsample_head = _Head(num_bands, num_bins)

    def forward(self, features: Tensor) -> Tensor:
        scales = self.backbone(features)
        picture = self.decoder(scales, self.hyperace(scales))
        picture = resized(picture, features.shape[2], picture.shape[3])
        mask: Tensor = self.upsample_head(picture)
        return mask


class _Encoder(nn.Module):
    """Features [B, D, N, K] to pictures of four scales, the finest first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.stem = Separated(dim, _STEM_FEATURES, (2, 1))
        self.p2, self.p3, self.p4, self.p5 = (
            nn.Sequential(Separated(num_in, num_out, stride), HalfStage(num_out, num_out, depth))
            for num_in, num_out, stride, depth in zip(
                (_STEM_FEATURES, *_FEATURES), _FEATURES, _STRIDES, _DEPTHS, strict=False
            )
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        picture = self.stem(features)
        scales = []
        for step in (self.p2, self.p3, self.p4, self.p5):
            picture = step(picture)
            scales.append(picture)
        return scales


class _Hyperedges(nn.Module):
    """Points [B, V, D] to how much each hyperedge joins them, [B, E, V], a sum of 1 for each edge.

    Edges are looked for by prototypes, which what is heard shifts.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.global_proto = nn.Parameter(torch.zeros(_NUM_HYPEREDGES, dim))
        self.context_mapper = nn.Linear(2 * dim, _NUM_HYPEREDGES * dim, bias=False)
        self.query_proj = nn.Linear(dim, dim, bias=False)
        # The mean over heads of their products is the product of all, by the number of heads.
        self.scale = (dim // _NUM_HEADS) ** -0.5 / _NUM_HEADS

    def forward(self, points: Tensor) -> Tensor:
        context = torch.cat((points.mean(dim=1), points.amax(dim=1)), dim=1)  # [B, 2D]
        shifts = torch.unflatten(self.context_mapper(context), 1, self.global_proto.shape)
        prototypes = self.global_proto + shifts  # [B, E, D]
        likeness = prototypes @ self.query_proj(points).mT * self.scale  # [B, E, V]
        return torch.softmax(likeness, dim=2)


class _HypergraphConvolution(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.W_e = nn.Linear(dim, dim, bias=False)
        self.W_v = nn.Linear(dim, dim, bias=False)

    def forward(self, points: Tensor, joined: Tensor) -> Tensor:
        edges = F.silu(self.W_e(joined @ points))  # [B, E, D]
        return points + F.silu(self.W_v(joined.mT @ edges))  # [B, V, D]


class _Hypergraph(nn.Module):
    """[B, D, N, K] -> the same, each point having heard of those that it is joined with."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.adaptive_hyperedge_gen = _Hyperedges(dim)
        self.hypergraph_conv = _HypergraphConvolution(dim)

    def forward(self, picture: Tensor) -> Tensor:
        points = picture.flatten(2).mT  # [B, V, D]
        points = self.hypergraph_conv(points, self.adaptive_hyperedge_gen(points))
        return torch.unflatten(points.mT, 2, picture.shape[2:])


class _HighOrder(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.cv1 = Pointwise(dim, dim)
        self.cv2 = Pointwise(dim, dim)
        self.ahc = _Hypergraph(dim)
        self.cv3 = Pointwise(2 * dim, dim)

    def forward(self, picture: Tensor) -> Tensor:
        mixed: Tensor = self.cv3(torch.cat((self.ahc(self.cv2(picture)), self.cv1(picture)), dim=1))
        return mixed


class _HyperAce(nn.Module):
    """Pictures of four scales to one [B, 512, N, K] of the third, which has heard of all."""

    def __init__(self) -> None:
        super().__init__()
        high, low = _FUSED // 2, _FUSED // 4
        self.widths = (high, low, _FUSED - high - low)
        self.fuse_conv = Pointwise(sum(_FEATURES), _FUSED)
        self.high_order_branch = nn.ModuleList(_HighOrder(high) for _ in range(2))
        self.high_order_fuse = Pointwise(2 * high, high)
        self.low_order_branch = nn.Sequential(CrossStage(low, 1))
        self.final_fuse = Pointwise(_FUSED, _FUSED)

    def forward(self, scales: Sequence[Tensor]) -> Tensor:
        size = scales[2].shape[2:]
        fused = self.fuse_conv(torch.cat([resized(scale, *size) for scale in scales], dim=1))
        high, low, rest = fused.split(self.widths, dim=1)
        high = self.high_order_fuse(torch.cat([each(high) for each in self.high_order_branch], 1))
        mixed: Tensor = self.final_fuse(torch.cat((high, self.low_order_branch(low), rest), dim=1))
        return mixed


class _Gate(nn.Module):
    """What it is given, and as much of another picture as it has learned."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, num_features, 1, 1))

    def forward(self, picture: Tensor, other: Tensor) -> Tensor:
        return picture + self.gamma * other


class _Decoder(nn.Module):
    """Pictures of four scales, and what joins them, to one picture of the finest scale."""

    def __init__(self) -> None:
        super().__init__()
        d2, d3, d4, d5 = _FEATURES
        for level, width in enumerate(_FEATURES, start=2):
            self.add_module(f"h_to_d{level}", Pointwise(_FUSED, width))
            self.add_module(f"fusion_d{level}", _Gate(width))
            self.add_module(f"skip_p{level}", Pointwise(width, width))
        self.up_d5, self.up_d4, self.up_d3 = (
            HalfStage(d5, d4, 1),
            HalfStage(d4, d3, 1),
            HalfStage(d3, d2, 1),
        )
        self.final_d2 = HalfStage(d2, d2, 1)

    def forward(self, scales: Sequence[Tensor], joined: Tensor) -> Tensor:
        d2, d3, d4, d5 = (
            self.get_submodule(f"skip_p{level}")(scale) for level, scale in enumerate(scales, 2)
        )
        picture = self._fused(5, d5, joined)
        for level, finer, skip in ((4, self.up_d5, d4), (3, self.up_d4, d3), (2, self.up_d3, d2)):
            picture = self._fused(level, finer(resized(picture, *skip.shape[2:])) + skip, joined)
        decoded: Tensor = self.final_d2(picture)
        return decoded

    def _fused(self, level: int, picture: Tensor, joined: Tensor) -> Tensor:
        heard = self.get_submodule(f"h_to_d{level}")(resized(joined, *picture.shape[2:]))
        fused: Tensor = self.get_submodule(f"fusion_d{level}")(picture, heard)
        return fused


class _Head(nn.Module):
    """[B, 256, N, K] -> mask [B, 4, N, F]: bands become bins in four steps."""

    def __init__(self, num_bands: int, num_bins: int) -> None:
        super().__init__()
        self.num_bins = num_bins
        width = _FEATURES[0]
        self.block1, self.block2, self.block3, self.block4 = (
            TwiceTheBands(width >> step, num_bands << step) for step in range(4)
        )
        self.final_conv = nn.Conv2d(width >> 4, _NUM_PARTS, 3, padding=1, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        for step in (self.block1, self.block2, self.block3, self.block4):
            picture = step(picture)
        mask: Tensor = self.final_conv(resized(picture, picture.shape[2], self.num_bins))
        return mask
