"""Band-Split and Mel-Band RoFormer: a mask per stem from attention over time and over bands."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.stft import istft, stft
from stemsplit.models.roformer.attention import RMSNorm, RotaryTransformerConfig
from stemsplit.models.roformer.axial import AxialStack
from stemsplit.models.roformer.bands import BandSplit, MaskEstimator
from stemsplit.models.roformer.config import RoFormerConfig
from stemsplit.models.roformer.hyperace import HyperAceMaskEstimator
from stemsplit.models.self_test import self_test_signals


class _RoFormer(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], float32, any T >= 1."""

    family: ClassVar[str]
    paper: ClassVar[str]

    def __init__(self, config: RoFormerConfig) -> None:
        super().__init__()
        self.config = config
        num_channels, dim = config.num_channels, config.dim
        self.band_split = BandSplit(config.bands, num_channels=num_channels, dim=dim)
        self.layers = AxialStack(
            config.depth,
            _transformer(config, config.time_depth),
            _transformer(config, config.band_depth),
            skips=config.skips,
        )
        self.final_norm = nn.Identity() if config.norm_each else RMSNorm(dim)
        estimator = HyperAceMaskEstimator if config.hyperace else MaskEstimator
        self.mask_estimators = nn.ModuleList(
            estimator(config.bands, num_channels=num_channels, dim=dim, hidden=config.mask_hidden)
            for _ in config.run.stems
        )
        self.spec = config.run.spec(
            family=self.family, num_channels=config.num_channels, paper=self.paper
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        # The transform reflects half a window at the ends. What is shorter goes on with silence.
        missing = max(0, self.config.n_fft // 2 + 1 - num_samples)
        heard = F.pad(mixture.float(), (0, missing))
        bins = self._analyze(heard)  # [B, N, F, C]
        parts = torch.view_as_real(bins).flatten(3)  # [B, N, F, 2C]
        features = self.band_split(parts.to(next(self.parameters()).dtype))  # [B, N, K, D]
        features = self.final_norm(self.layers(features))
        estimates = [
            self._synthesize(bins * self._mask(estimator, features), heard.shape[-1])
            for estimator in self.mask_estimators
        ]
        return torch.stack(estimates, dim=1)[..., :num_samples]  # [B, S, C, T]

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """What all layers together make of the signals of the self-test, [3, S, C, T].

        `device` is the one that the network is on.
        """
        signals = self_test_signals(self.config.num_channels, self.config.n_fft)
        estimates: Tensor = self(signals.to(device))
        return estimates

    def _analyze(self, mixture: Tensor) -> Tensor:
        """Spectrogram [B, N, F, C]; the networks do not care for its scale."""
        spectrogram = stft(
            mixture, n_fft=self.config.n_fft, hop_length=self.config.hop_length
        )  # [B, C, F, N]
        return spectrogram.permute(0, 3, 2, 1).contiguous()

    def _mask(self, estimator: nn.Module, features: Tensor) -> Tensor:
        """Complex mask [B, N, F, C] of one stem."""
        mask = torch.view_as_complex(torch.unflatten(estimator(features), 3, (-1, 2)))
        if self.config.zero_dc:
            mask[:, :, 0] = 0
        return mask

    def _synthesize(self, bins: Tensor, num_samples: int) -> Tensor:
        """Signal [B, C, T] of a spectrogram [B, N, F, C]."""
        spectrogram = bins.permute(0, 3, 2, 1)  # [B, C, F, N]
        return istft(spectrogram, hop_length=self.config.hop_length, num_samples=num_samples)


class BSRoFormer(_RoFormer):
    """Band-Split RoFormer: bands lie side by side."""

    family = "bs_roformer"
    paper = "Lu, Wang, Kong, Hung (2023), arXiv:2309.02612"


class MelBandRoFormer(_RoFormer):
    """Mel-Band RoFormer: bands overlap as the triangles of a mel filter bank do."""

    family = "mel_band_roformer"
    paper = "Wang, Lu, Won (2023), arXiv:2310.01809"


def _transformer(config: RoFormerConfig, depth: int) -> RotaryTransformerConfig:
    return RotaryTransformerConfig(
        dim=config.dim,
        depth=depth,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        norm_output=config.norm_each,
        polar=config.polar,
    )
