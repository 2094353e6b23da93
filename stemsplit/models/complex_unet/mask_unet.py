"""U-Nets over complex spectrograms: DCUNet's, and DCCRN's with LSTMs in it.

Complex numbers have an axis of their own, in front of all others: [2, B, ...].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from stemsplit.models.complex_unet.complex_layers import (
    ComplexLinear,
    ComplexRecurrence,
    Convolved,
)
from stemsplit.models.complex_unet.config import (
    Architecture,
    DccrnConfig,
    DcunetConfig,
    UNetStage,
)

_HIDDEN_SIZE, _NUM_LSTM_LAYERS = 128, 2


class MaskUNet(nn.Module):
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


def dccrn_masker(config: DccrnConfig) -> MaskUNet:
    """It has LSTMs below its lowest level."""
    architecture = config.architecture
    num_bins = config.num_bins_seen // architecture.stride(0)
    num_features = architecture.levels[-1].channels * num_bins
    recurrence = ComplexRecurrence(num_features, _HIDDEN_SIZE, num_layers=_NUM_LSTM_LAYERS)
    return _unet(architecture, config.num_speakers, nn.PReLU, recurrence)


def dcunet_masker(config: DcunetConfig) -> MaskUNet:
    return _unet(config.architecture, config.num_speakers, nn.LeakyReLU)


def _unet(
    architecture: Architecture,
    num_speakers: int,
    new_activation: Callable[[], nn.Module],
    recurrence: nn.Module | None = None,
) -> MaskUNet:
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
    return MaskUNet(encoders, decoders, last)


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
