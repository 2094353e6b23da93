"""Filters, a masker, filters: what Conv-TasNet, DPRNN-TasNet and DPTNet are.

They learned to be right up to a factor, so estimates are brought to the level at which their sum is
nearest to the mixture.
"""

from __future__ import annotations

from torch import Tensor, nn

from stemsplit.models.blocks.filterbank import Filterbank, speech_spec
from stemsplit.models.blocks.fitted_level import fitted_to
from stemsplit.models.speech_tasnet.config import FilterbankConfig
from stemsplit.models.speech_tasnet.masker_layers import activate


class MaskingNetwork(nn.Module):
    """Mixture [B, 1, T] -> speakers [B, S, 1, T], for T of whole frames.

    `masker` makes masks [B, S, D, N] of features [B, D, N].
    """

    def __init__(
        self, family: str, paper: str, *, config: FilterbankConfig, masker: nn.Module
    ) -> None:
        super().__init__()
        self._framing = config.framing
        self._activation = config.encoder_activation
        self.spec = speech_spec(
            family,
            paper,
            num_speakers=config.num_speakers,
            sample_rate=config.sample_rate,
            framing=config.framing,
        )
        self.encoder = Filterbank(config.num_features, config.framing)
        self.masker = masker
        self.decoder = Filterbank(config.num_features, config.framing)

    def forward(self, mixture: Tensor) -> Tensor:
        self._framing.check(mixture.shape[-1])
        features = activate(self.encoder.analysis(mixture.float()), self._activation)  # [B, D, N]
        masks: Tensor = self.masker(features)  # [B, S, D, N]
        stems = self.decoder.synthesis(masks * features[:, None])  # [B, S, 1, T]
        return fitted_to(mixture, stems)
