"""Convolutions over time and bands that HyperACE masks are made of, named as checkpoints name them.

Pictures are [B, D, N, K]: D features of K bands in N frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-8


def norm(num_features: int) -> nn.InstanceNorm2d:
    """Each feature of an item brought to zero mean and unit deviation over time and bands."""
    return nn.InstanceNorm2d(num_features, eps=_EPS, affine=True)


def resized(picture: Tensor, num_frames: int, num_bands: int) -> Tensor:
    """[B, D, N, K] -> [B, D, `num_frames`, `num_bands`], interpolated between the neighbours."""
    if picture.shape[2:] == (num_frames, num_bands):
        return picture
    return F.interpolate(picture, (num_frames, num_bands), mode="bilinear", align_corners=False)


class Pointwise(nn.Module):
    """[B, D, N, K] -> [B, D', N, K]: the features of each point mixed."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, 1, bias=False)
        self.bn = norm(num_out)

    def forward(self, picture: Tensor) -> Tensor:
        return F.silu(self.bn(self.conv(picture)))


class Separated(nn.Module):
    """[B, D, N, K] -> [B, D', N', K'], strides apart: each feature by itself, then all mixed."""

    def __init__(self, num_in: int, num_out: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(num_in, num_in, 3, stride, 1, groups=num_in, bias=False)
        self.pwconv = nn.Conv2d(num_in, num_out, 1, bias=False)
        self.bn = norm(num_out)

    def forward(self, picture: Tensor) -> Tensor:
        return F.silu(self.bn(self.pwconv(self.dwconv(picture))))


class _Residual(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.dsconv1 = Separated(num_features, num_features)
        self.dsconv2 = Separated(num_features, num_features)

    def forward(self, picture: Tensor) -> Tensor:
        heard: Tensor = self.dsconv2(self.dsconv1(picture))
        return picture + heard


class CrossStage(nn.Module):
    """[B, D, N, K] -> the same: half of what is heard goes through `depth` residual layers."""

    def __init__(self, num_features: int, depth: int) -> None:
        super().__init__()
        self.cv1 = Pointwise(num_features, num_features)
        self.cv2 = Pointwise(num_features, num_features)
        self.cv3 = Pointwise(2 * num_features, num_features)
        self.m = nn.Sequential(*(_Residual(num_features) for _ in range(depth)))

    def forward(self, picture: Tensor) -> Tensor:
        both = torch.cat((self.m(self.cv1(picture)), self.cv2(picture)), dim=1)  # [B, 2D, N, K]
        mixed: Tensor = self.cv3(both)  # [B, D, N, K]
        return mixed


class HalfStage(nn.Module):
    """[B, D, N, K] -> [B, D', N, K], by a `CrossStage` of half as many features."""

    def __init__(self, num_in: int, num_out: int, depth: int) -> None:
        super().__init__()
        self.cv1 = Pointwise(num_in, num_out // 2)
        self.m = CrossStage(num_out // 2, depth)
        self.cv2 = Pointwise(num_out // 2, num_out)

    def forward(self, picture: Tensor) -> Tensor:
        mixed: Tensor = self.cv2(self.m(self.cv1(picture)))
        return mixed


class _TfcTdf(nn.Module):
    """Convolutions over time and bands around a layer over all bands at once: Kim et al. (2023)."""

    def __init__(self, num_features: int, num_bands: int) -> None:
        super().__init__()
        narrow = num_bands // 4
        self.tfc1 = nn.Sequential(norm(num_features), nn.SiLU(), _square(num_features))
        self.tdf = nn.Sequential(
            *(norm(num_features), nn.SiLU(), nn.Linear(num_bands, narrow, bias=False)),
            *(norm(num_features), nn.SiLU(), nn.Linear(narrow, num_bands, bias=False)),
        )
        self.tfc2 = nn.Sequential(norm(num_features), nn.SiLU(), _square(num_features))
        self.shortcut = nn.Conv2d(num_features, num_features, 1, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        heard = self.tfc1(picture)
        mixed: Tensor = self.tfc2(heard + self.tdf(heard)) + self.shortcut(picture)
        return mixed


def _square(num_features: int) -> nn.Conv2d:
    return nn.Conv2d(num_features, num_features, 3, padding=1, bias=False)


class _TfcTdfs(nn.Module):
    def __init__(self, num_features: int, num_bands: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_TfcTdf(num_features, num_bands) for _ in range(2))

    def forward(self, picture: Tensor) -> Tensor:
        for block in self.blocks:
            picture = block(picture)
        return picture


class TwiceTheBands(nn.Module):
    """[B, D, N, K] -> [B, D / 2, N, 2K]: features become bands in between."""

    def __init__(self, num_in: int, num_bands: int) -> None:
        super().__init__()
        self.conv = Separated(num_in, num_in)
        self.out_conv = _TfcTdfs(num_in // 2, 2 * num_bands)

    def forward(self, picture: Tensor) -> Tensor:
        pairs = torch.unflatten(self.conv(picture), 1, (-1, 2))  # [B, D / 2, 2, N, K]
        finer: Tensor = self.out_conv(pairs.permute(0, 1, 3, 4, 2).flatten(3))
        return finer  # [B, D / 2, N, 2K]
