"""Hybrid Demucs: the hybrid U-Net with nothing but its skip connections at the bottom."""

from __future__ import annotations

import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.hybrid_config import UNetConfig
from stemsplit.models.blocks.hybrid_unet import HybridUNet
from stemsplit.models.spec import InputScaling, ModelSpec


class HDemucs(HybridUNet):
    """Mixture [B, C, T] -> stems [B, S, C, T], any T >= 1."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        if not self.branches_merge:
            raise ValueError(f"a depth of {config.depth} is too small for the branches to merge")
        self.spec = ModelSpec(
            family="hdemucs",
            stems=config.stems,
            sample_rate=config.sample_rate,
            num_channels=config.num_channels,
            chunking=ChunkPolicy(chunk_samples=config.chunk_samples, overlap_samples=0).resized(
                overlap=0.25
            ),
            scaling=InputScaling(),
            paper="Défossez (2021), arXiv:2111.03600",
        )

    def bottom(self, x: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Zeros: all that the decoders know comes through the skip connections."""
        return torch.zeros_like(x), waveform
