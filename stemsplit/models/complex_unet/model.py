"""U-Nets that mask a complex spectrogram with complex numbers: DCUNet, and DCCRN with LSTMs in it.

DCUNet: Choi et al., "Phase-aware speech enhancement with deep complex U-Net" (2019),
arXiv:1903.03107. DCCRN: Hu et al., "DCCRN: deep complex convolution recurrent network for
phase-aware speech enhancement" (2020), arXiv:2008.00264.

Complex numbers have an axis of their own, in front of all others: [2, B, ...].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.filterbank import Filterbank, speech_spec
from stemsplit.models.complex_unet.complex_layers import (
    ComplexLinear,
    ComplexRecurrence,
    Convolved,
    complex_product,
)
from stemsplit.models.complex_unet.config import (
    Architecture,
    DccrnConfig,
    DcunetConfig,
    MaskBound,
    UNetStage,
)

_EPSILON = 1e-8  # the networks were trained with it
_HIDDEN_SIZE, _NUM_LSTM_LAYERS = 128, 2


class ComplexMaskingNetwork(nn.Module):
    """Mixture [B, 1, T] -> speakers [B, S, 1, T], for T of as many frames as the U-Net divides."""

    def __init__(self, config: DccrnConfig | DcunetConfig) -> None:
        super().__init__()
        dccrn = isinstance(config, DccrnConfig)
        self._framing = config.framing
        self._mask_bound = config.mask_bound
        self._num_bins_seen = config.num_bins - dccrn
        self.spec = speech_spec(
            "dccrn" if dccrn else "dcunet",
            "Hu et al. (2020), arXiv:2008.00264"
            if dccrn
            else "Choi et al. (2019), arXiv:1903.03107",
            num_speakers=config.num_speakers,
            sample_rate=config.sample_rate,
            framing=config.framing,
        )
        self.encoder = Filterbank(2 * config.num_bins, config.framing)
        self.masker = (
            _dccrn(config)
            if isinstance(config, DccrnConfig)
            else _unet(config.architecture, config.num_speakers, nn.LeakyReLU)
        )
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


class _UNet(nn.Module):
    """Spectrum [2, B, 1, F, N] -> scores [2, B, S, F, N].

    Each decoder but the first, whose input is the last encoder's output, is also given the output
    of the encoder on its level. The names are the checkpoints'.
    """

    def __init__(
        self, encoders: list[nn.Module], decoders: list[nn.Module], last: nn.Module
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(decoders)
        self.output_layer = nn.Sequential(last)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encode in self.encoders:
            x = encode(x)
            skips.append(x)
        for decode, skip in zip(self.decoders, reversed(skips[:-1]), strict=True):
            x = torch.cat([decode(x), skip], dim=2)
        scores: Tensor = self.output_layer(x)
        return scores


def _dccrn(config: DccrnConfig) -> _UNet:
    """It has LSTMs below its lowest level."""
    architecture = config.architecture
    num_bins = (config.num_bins - 1) // architecture.stride(0)
    num_features = architecture.levels[-1].channels * num_bins
    recurrence = ComplexRecurrence(num_features, _HIDDEN_SIZE, num_layers=_NUM_LSTM_LAYERS)
    return _unet(architecture, config.num_speakers, nn.PReLU, recurrence)


def _unet(
    architecture: Architecture,
    num_speakers: int,
    new_activation: Callable[[], nn.Module],
    recurrence: nn.Module | None = None,
) -> _UNet:
    """`recurrence` counts as an encoder, and the decoder of its level does nothing."""
    levels = architecture.levels
    encoders: list[nn.Module] = []
    decoders: list[nn.Module] = []
    num_channels = 1
    for level in levels:
        convolution = partial(_convolution, num_channels, level)
        encoders.append(Convolved("conv", convolution, new_activation, level.channels))
        num_channels = level.channels
    num_skipped = 0
    if recurrence is not None:
        encoders.append(recurrence)
        decoders.append(nn.Identity())
        num_skipped = num_channels
    below = zip(architecture.decoder_channels, levels[:0:-1], levels[-2::-1], strict=True)
    for out_channels, level, above in below:
        convolution = partial(_transposed, num_channels + num_skipped, out_channels, level)
        decoders.append(Convolved("deconv", convolution, new_activation, out_channels))
        num_channels, num_skipped = out_channels, above.channels
    inputs = num_channels + num_skipped
    last = ComplexLinear(partial(_transposed, inputs, num_speakers, levels[0], bias=True))
    return _UNet(encoders, decoders, last)


def _convolution(in_channels: int, level: UNetStage) -> nn.Module:
    return nn.Conv2d(
        in_channels, level.channels, level.kernel, level.stride, level.padding, bias=False
    )


def _transposed(
    in_channels: int, out_channels: int, level: UNetStage, *, bias: bool = False
) -> nn.Module:
    return nn.ConvTranspose2d(
        in_channels,
        out_channels,
        level.kernel,
        level.stride,
        level.padding,
        level.output_padding,
        bias=bias,
    )


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
