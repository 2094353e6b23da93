"""The three parts of a Band-Split RNN: band split, band and sequence modelling, mask estimation.

Luo and Yu, "Music source separation with band-split RNN" (2022), arXiv:2209.15174, section III.
Modules are named as in published checkpoints.

Features are [B, K, N, D]: K bands, N frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.bandsplit_rnn.config import BandSplitRnnConfig


class BandEncoder(nn.Module):
    """Spectrogram [B, C, 2, F, N], real and imaginary parts, to features [B, K, N, D]."""

    def __init__(self, config: BandSplitRnnConfig, bands: Sequence[range]) -> None:
        super().__init__()
        self._bands = bands
        widths = [2 * config.num_channels * len(band) for band in bands]
        self.layernorms = nn.ModuleList(nn.LayerNorm([each, config.num_frames]) for each in widths)
        self.fcs = nn.ModuleList(nn.Linear(each, config.dim) for each in widths)

    def forward(self, spectrogram: Tensor) -> Tensor:
        features = []
        for band, norm, fc in zip(self._bands, self.layernorms, self.fcs, strict=True):
            x = norm(spectrogram[..., band.start : band.stop, :].flatten(1, 3))  # [B, 2C * F', N]
            features.append(fc(x.transpose(1, 2)))  # [B, N, D]
        return torch.stack(features, dim=1)


class BandSequence(nn.Module):
    """Features [B, K, N, D] to the same: RNNs along time and along the bands, in turn."""

    def __init__(self, config: BandSplitRnnConfig) -> None:
        super().__init__()
        self.bsrnn = nn.ModuleList(
            nn.Sequential(_ResidualRnn(config), _ResidualRnn(config))
            for _ in range(config.num_layers)
        )

    def forward(self, features: Tensor) -> Tensor:
        for along_time_and_bands in self.bsrnn:
            features = along_time_and_bands(features)
        return features


class _ResidualRnn(nn.Module):
    """[B, rows, steps, D] -> [B, steps, rows, D]: the LSTM reads each row's steps."""

    def __init__(self, config: BandSplitRnnConfig) -> None:
        super().__init__()
        dim, hidden, both = config.dim, config.hidden, config.bidirectional
        self.groupnorm = nn.GroupNorm(dim, dim)
        self.rnn = nn.LSTM(dim, hidden, batch_first=True, bidirectional=both)
        self.fc = nn.Linear((1 + both) * hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(self._normalize(x).flatten(0, 1))  # [B * rows, steps, hidden]
        return (x + torch.unflatten(self.fc(y), 0, x.shape[:2])).transpose(1, 2)

    def _normalize(self, x: Tensor) -> Tensor:
        """As many groups as features: each is normalised over the steps of its row."""
        variance, mean = torch.var_mean(x, dim=2, correction=0, keepdim=True)
        gain = self.groupnorm.weight * torch.rsqrt(variance + self.groupnorm.eps)
        return torch.addcmul(self.groupnorm.bias, x - mean, gain)


class MaskEstimation(nn.Module):
    """Features [B, K, N, D] to a mask [B, C, 2, F, N], real and imaginary parts, float32."""

    def __init__(self, config: BandSplitRnnConfig, bands: Sequence[range]) -> None:
        super().__init__()
        self._bands = bands
        self._num_channels = config.num_channels
        self._in_frames = config.mask_order == "frames"
        self.layernorms = nn.ModuleList(
            nn.LayerNorm([config.num_frames, config.dim]) for _ in bands
        )
        self.mlp = nn.ModuleList(
            _MaskMlp(config, 2 * config.num_channels * len(band)) for band in bands
        )

    def forward(self, features: Tensor) -> Tensor:
        masks = []
        for index, (band, norm, mlp) in enumerate(
            zip(self._bands, self.layernorms, self.mlp, strict=True)
        ):
            values: Tensor = mlp(norm(features[:, index])).float()  # [B, N, 2C * F']
            in_row = values if self._in_frames else values.transpose(1, 2)
            masks.append(
                in_row.reshape(len(values), self._num_channels, 2, len(band), values.shape[1])
            )
        return torch.cat(masks, dim=3)


class _MaskMlp(nn.Module):
    """[..., D] to the values of a band's mask. The nested names are the checkpoints'."""

    def __init__(self, config: BandSplitRnnConfig, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(config.dim, config.mask_hidden),
            nn.Tanh(),
            nn.Linear(config.mask_hidden, width),
            _Gated(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.mlp(x)
        return values


class _Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.linear(x), dim=-1)
