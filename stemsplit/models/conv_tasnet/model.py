"""Conv-TasNet: masks over a learned transform of the waveform.

Luo and Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech
separation" (2019), arXiv:1809.07454, with several channels in and out for music: Défossez et al.
(2019), arXiv:1911.13254.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.conv_tasnet.config import ConvTasNetConfig
from stemsplit.models.spec import InputScaling, ModelSpec

_EPSILON = 1e-8  # the networks were trained with it


class ConvTasNet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T a multiple of the hop and two hops or more."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.spec = _spec(config)
        self.encoder = _Encoder(config)
        self.separator = _Separator(config)
        self.decoder = _Decoder(config)

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        if self.spec.chunking.fitted_length(num_samples) != num_samples:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")
        features: Tensor = self.encoder(mixture.float())  # [B, D, N]
        masks: Tensor = self.separator(features)  # [B, S, D, N]
        stems: Tensor = self.decoder(masks.mul_(features[:, None]))  # [B, S, C, T]
        return stems


class _Encoder(nn.Module):
    """Waveform [B, C, T] -> features [B, D, N] of windows that overlap by half."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        self.conv1d_U = nn.Conv1d(
            config.num_channels,
            config.num_filters,
            config.filter_samples,
            config.filter_samples // 2,
            bias=False,
        )

    def forward(self, mixture: Tensor) -> Tensor:
        return F.relu_(self.conv1d_U(mixture))


class _Decoder(nn.Module):
    """Features [B, S, D, N] -> waveforms [B, S, C, T]."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        self._num_channels = config.num_channels
        self.basis_signals = nn.Linear(
            config.num_filters, config.num_channels * config.filter_samples, bias=False
        )

    def forward(self, features: Tensor) -> Tensor:
        windows = self.basis_signals(features.transpose(-1, -2)).float()  # [B, S, N, C * L]
        halves = torch.unflatten(windows, -1, (self._num_channels, 2, -1))  # [B, S, N, C, 2, L/2]
        first, second = halves.transpose(2, 3).unbind(-2)  # [B, S, C, N, L/2] each
        # Each half window ends up on the other half of its neighbour.
        return (F.pad(first, (0, 0, 0, 1)) + F.pad(second, (0, 0, 1, 0))).flatten(-2)


class _Separator(nn.Module):
    """Features [B, D, N] -> masks [B, S, D, N]. The nested names are the checkpoints'."""

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__()
        self._num_stems = len(config.stems)
        repeats = (
            nn.Sequential(*(_block(config, dilation=1 << x) for x in range(config.num_blocks)))
            for _ in range(config.num_repeats)
        )
        self.network = nn.Sequential(
            _FrameNorm(config.num_filters),
            _pointwise(config.num_filters, config.bottleneck_channels),
            nn.Sequential(*repeats),
            _pointwise(config.bottleneck_channels, self._num_stems * config.num_filters),
        )

    def forward(self, features: Tensor) -> Tensor:
        scores = torch.unflatten(self.network(features), 1, (self._num_stems, -1))
        return F.relu_(scores)


class _Separable(nn.Module):
    """Layers in a row, under the name that checkpoints have."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class _Residual(_Separable):
    """The same, added to what they are given."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _Gain(nn.Module):
    """A gain and an offset per channel of [B, D, N]. The names and shapes are the checkpoints'."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, num_channels, 1))
        self.beta = nn.Parameter(torch.zeros(1, num_channels, 1))


class _ChunkNorm(_Gain):
    """Normalises over all channels and frames: the paper's "global layer normalization"."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.gamma.flatten(), self.beta.flatten(), _EPSILON)


class _FrameNorm(_Gain):
    """Normalises each frame over its channels."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return torch.addcmul(self.beta, (x - mean) / torch.sqrt(variance + _EPSILON), self.gamma)


def _block(config: ConvTasNetConfig, *, dilation: int) -> nn.Module:
    outer, inner = config.bottleneck_channels, config.block_channels
    along_frames = nn.Conv1d(
        inner,
        inner,
        config.kernel_size,
        padding=config.kernel_size // 2 * dilation,
        dilation=dilation,
        groups=inner,
        bias=False,
    )
    separable = _Separable(along_frames, nn.PReLU(), _ChunkNorm(inner), _pointwise(inner, outer))
    return _Residual(_pointwise(outer, inner), nn.PReLU(), _ChunkNorm(inner), separable)


def _pointwise(in_channels: int, out_channels: int) -> nn.Conv1d:
    return nn.Conv1d(in_channels, out_channels, 1, bias=False)


def _check(config: ConvTasNetConfig) -> None:
    if config.filter_samples % 2:
        raise ValueError(f"windows of {config.filter_samples} samples do not overlap by half")
    if config.kernel_size % 2 == 0:
        raise ValueError(f"a kernel of {config.kernel_size} frames has no middle")
    num_masks = len(config.stems) * config.num_filters
    if num_masks > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {num_masks} channels")


def _spec(config: ConvTasNetConfig) -> ModelSpec:
    # The reference leaves silent what is left over when windows do not fill a chunk, up to nine
    # samples at the end of a track; here the network hears as many more.
    chunking = ChunkPolicy(
        chunk_samples=config.chunk_samples,
        overlap_samples=0,
        min_length_samples=config.filter_samples,
        length_step_samples=config.filter_samples // 2,
    )
    return ModelSpec(
        family="conv_tasnet",
        stems=config.stems,
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=chunking.resized(overlap=0.25),
        scaling=InputScaling(),
        paper="Luo, Mesgarani (2019), arXiv:1809.07454",
    )
