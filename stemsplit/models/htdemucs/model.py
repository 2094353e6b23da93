"""Hybrid Transformer Demucs: the hybrid U-Net with a cross-domain transformer at the bottom."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.hybrid_unet import HybridUNet
from stemsplit.models.htdemucs.config import HTDemucsConfig
from stemsplit.models.htdemucs.transformer import CrossTransformer
from stemsplit.models.spec import InputScaling, ModelSpec


class HTDemucs(HybridUNet):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T up to the length of the training segments.

    A shorter mixture is continued with silence, since the transformer knows only the positions
    that it was trained on. Networks with `use_train_segment` off take any T >= 1 as it is.
    """

    def __init__(self, config: HTDemucsConfig) -> None:
        super().__init__(config.unet)
        if self.config.channels != self.config.time_channels or not self.innermost.on_frequency:
            raise ValueError("the two branches do not reach the transformer with one width")
        width = self.innermost.channels
        dim = config.bottom_channels or width
        self.crosstransformer: CrossTransformer | None = None
        if config.transformer.num_layers:
            self.crosstransformer = CrossTransformer(dim, config.transformer)
        self.channel_upsampler, self.channel_downsampler = _bridge(width, config.bottom_channels)
        self.channel_upsampler_t, self.channel_downsampler_t = _bridge(
            width, config.bottom_channels
        )
        self.use_train_segment = config.use_train_segment
        self.spec = _spec(config)

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        missing = self.config.chunk_samples - num_samples if self.use_train_segment else 0
        if missing < 0:
            raise ValueError(
                f"this network takes up to {self.config.chunk_samples} samples, got {num_samples}"
            )
        return super().forward(F.pad(mixture, (0, missing)))[..., :num_samples]

    def bottom(self, x: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """The transformer, between changes of width if it has one of its own."""
        if self.crosstransformer is None:
            return x, waveform
        x = _over_bins(self.channel_upsampler, x)
        waveform = self.channel_upsampler_t(waveform)
        x, waveform = self.crosstransformer(x, waveform)
        return _over_bins(self.channel_downsampler, x), self.channel_downsampler_t(waveform)


def _over_bins(pointwise: nn.Module, x: Tensor) -> Tensor:
    """[B, D, F, N] to [B, D', F, N], bins of a frame together, as they lie in the transformer."""
    y: Tensor = pointwise(x.transpose(2, 3).flatten(2))  # [B, D', N * F]
    return torch.unflatten(y, 2, (x.shape[3], x.shape[2])).transpose(2, 3)


def _bridge(width: int, bottom: int) -> tuple[nn.Module, nn.Module]:
    if not bottom:
        return nn.Identity(), nn.Identity()
    return nn.Conv1d(width, bottom, 1), nn.Conv1d(bottom, width, 1)


def _spec(config: HTDemucsConfig) -> ModelSpec:
    chunk_samples = config.unet.chunk_samples
    chunking = ChunkPolicy(
        chunk_samples=chunk_samples,
        overlap_samples=0,
        fixed_length=config.use_train_segment,
        max_chunk_samples=chunk_samples if config.use_train_segment else None,
    )
    return ModelSpec(
        family="htdemucs",
        stems=config.unet.stems,
        sample_rate=config.unet.sample_rate,
        num_channels=config.unet.num_channels,
        chunking=chunking.resized(overlap=0.25),
        scaling=InputScaling(),
        paper="Rouard, Massa, Défossez (2023), arXiv:2211.08553",
    )
