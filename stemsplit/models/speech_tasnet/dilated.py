"""Conv-TasNet's masker: dilated convolutions, block after block.

Luo and Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech
separation" (2019), arXiv:1809.07454, with the skip connections of its figure 1 (c).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.models.speech_tasnet.config import DilatedConfig
from stemsplit.models.speech_tasnet.masker_layers import activate, new_norm


class DilatedMasker(nn.Module):
    """Features [B, D, N] -> masks [B, S, D, N]. The nested names are the checkpoints'."""

    def __init__(self, config: DilatedConfig) -> None:
        super().__init__()
        self._num_speakers = config.num_speakers
        self._activation = config.mask_activation
        self.bottleneck = nn.Sequential(
            new_norm(config.norm, config.num_features),
            nn.Conv1d(config.num_features, config.bottleneck_channels, 1),
        )
        self.TCN = nn.ModuleList(
            _Block(config, dilation=1 << index)
            for _ in range(config.num_repeats)
            for index in range(config.num_blocks)
        )
        self.mask_net = nn.Sequential(
            nn.PReLU(),
            nn.Conv1d(
                config.skip_channels or config.bottleneck_channels,
                config.num_speakers * config.num_features,
                1,
            ),
        )

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.bottleneck(features)  # [B, D, N]
        skipped: Tensor | None = None
        for block in self.TCN:
            residual, skip = block(x)
            x = x + residual
            if skip is not None:
                skipped = skip if skipped is None else skipped + skip
        scores: Tensor = self.mask_net(x if skipped is None else skipped)
        masks = torch.unflatten(scores, 1, (self._num_speakers, -1))  # [B, S, D, N]
        return activate(masks, self._activation)


class _Block(nn.Module):
    """What is added to its input, and what goes to the masks at once (None without skips)."""

    def __init__(self, config: DilatedConfig, *, dilation: int) -> None:
        super().__init__()
        outer, inner = config.bottleneck_channels, config.block_channels
        along_frames = nn.Conv1d(
            inner,
            inner,
            config.kernel_size,
            padding=config.kernel_size // 2 * dilation,
            dilation=dilation,
            groups=inner,
        )
        self.shared_block = nn.Sequential(
            nn.Conv1d(outer, inner, 1),
            nn.PReLU(),
            new_norm(config.norm, inner),
            along_frames,
            nn.PReLU(),
            new_norm(config.norm, inner),
        )
        self.res_conv = nn.Conv1d(inner, outer, 1)
        self.skip_conv = nn.Conv1d(inner, config.skip_channels, 1) if config.skip_channels else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        shared: Tensor = self.shared_block(x)
        residual: Tensor = self.res_conv(shared)
        skip: Tensor | None = None if self.skip_conv is None else self.skip_conv(shared)
        return residual, skip
