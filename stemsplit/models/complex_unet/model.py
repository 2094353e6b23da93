"""A complex spectrogram times complex masks: what DCUNet and DCCRN are around their U-Nets.

DCUNet: Choi et al., "Phase-aware speech enhancement with deep complex U-Net" (2019),
arXiv:1903.03107. DCCRN: Hu et al., "DCCRN: deep complex convolution recurrent network for
phase-aware speech enhancement" (2020), arXiv:2008.00264.

Complex numbers have an axis of their own, in front of all others: [2, B, ...].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.filterbank import Filterbank, speech_spec
from stemsplit.models.complex_unet.complex_layers import complex_product
from stemsplit.models.complex_unet.config import DccrnConfig, DcunetConfig, MaskBound

_EPSILON = 1e-8  # the networks were trained with it


class ComplexMaskingNetwork(nn.Module):
    """Mixture [B, 1, T] -> speakers [B, S, 1, T], for T of as many frames as the U-Net divides."""

    def __init__(
        self, family: str, paper: str, *, config: DccrnConfig | DcunetConfig, masker: nn.Module
    ) -> None:
        super().__init__()
        self._framing = config.framing
        self._mask_bound = config.mask_bound
        self._num_bins_seen = config.num_bins_seen
        self.spec = speech_spec(
            family,
            paper,
            num_speakers=config.num_speakers,
            sample_rate=config.sample_rate,
            framing=config.framing,
        )
        self.encoder = Filterbank(2 * config.num_bins, config.framing)
        self.masker = masker
        self.decoder = Filterbank(2 * config.num_bins, config.framing)

    def forward(self, mixture: Tensor) -> Tensor:
        self._framing.check(mixture.shape[-1])
        features = self.encoder.analysis(mixture.float())  # [B, 2 * F, N]
        spectrum = torch.unflatten(features, 1, (2, -1)).transpose(0, 1)  # [2, B, F, N]
        seen = spectrum[:, :, None, : self._num_bins_seen]  # [2, B, 1, F', N]
        masks = bounded(self.masker(seen).float(), self._mask_bound)  # [2, B, S, F', N]
        stems = complex_product(masks, seen.float())
        unseen = spectrum.shape[2] - self._num_bins_seen
        stems = F.pad(stems, (0, 0, 0, unseen))  # [2, B, S, F, N]
        return self.decoder.synthesis(torch.cat([*stems], dim=2))  # of [B, S, 2 * F, N]


def bounded(scores: Tensor, bound: MaskBound) -> Tensor:
    """Masks of scores [2, ...]: with magnitudes below one, or both parts in [0, 1], or any.

    Choi et al., section 3.2.
    """
    if bound in ("sigmoid", "BDSS"):
        return torch.sigmoid(scores)
    magnitude = torch.sqrt(scores.square().sum(dim=0) + _EPSILON)
    phase = torch.atan2(scores[1], scores[0])
    if bound in ("tanh", "BDT"):
        magnitude = torch.tanh(magnitude)
    return torch.stack([magnitude * torch.cos(phase), magnitude * torch.sin(phase)])
