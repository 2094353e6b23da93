"""What the generations of Demucs have in common: a U-Net on the waveform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.sequence import BLSTM
from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.demucs.config import TimeUNetConfig
from stemsplit.models.demucs.double_rate import downsample_by_two, upsample_by_two
from stemsplit.models.spec import ModelSpec

_MAX_MIN_LENGTH_SAMPLES = 1 << 26


class TimeUNet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T that leaves no sample over in any layer.

    `lengths` are the shortest such T, and the step to the next ones. `levels` are the encoder and
    the decoder of each level, from the outermost inwards. If decoders give fewer samples than they
    hear, estimates are silent for half of what is missing on either side: the chunking policy has
    the network hear that much more than is used.
    """

    spec: ModelSpec

    def __init__(
        self,
        config: TimeUNetConfig,
        levels: Iterable[tuple[nn.Module, nn.Module]],
        lengths: tuple[int, int],
    ) -> None:
        super().__init__()
        self.config = config
        self.lengths = lengths
        encoders, decoders = zip(*levels, strict=True)
        self.encoder = nn.ModuleList(encoders)
        self.decoder = nn.ModuleList(reversed(decoders))
        *_, (_, width) = widths(config)
        self.lstm = BLSTM(width, num_layers=config.lstm_layers) if config.lstm_layers else None

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        shortest, step = self.lengths
        if num_samples < shortest or (num_samples - shortest) % step:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")
        mixture = mixture.float()
        # Statistics are taken of the mono mix, in float32 even where autocast is on.
        scaled = standardize(mixture, statistics_of=mixture.mean(dim=1, keepdim=True))
        x = self._run_layers(scaled.values if self.config.normalize else mixture).float()
        x = torch.unflatten(x, 1, (len(self.config.stems), -1))  # [B, S, C, <= T]
        if self.config.normalize:
            x = x * scaled.std[:, None] + scaled.mean[:, None]
        missing = num_samples - x.shape[-1]
        return F.pad(x, (missing // 2, missing - missing // 2)) if missing else x

    def _run_layers(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, S * C, <= T]."""
        if self.config.resample:
            x = upsample_by_two(x)  # [B, C, 2T]
        skips: list[Tensor] = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        if self.lstm is not None:
            x = self.lstm(x)
        for decode in self.decoder:
            skip = skips.pop()
            left = (skip.shape[-1] - x.shape[-1]) // 2
            x = decode(x + skip[..., left : left + x.shape[-1]])
        return downsample_by_two(x) if self.config.resample else x


def widths(config: TimeUNetConfig) -> Iterator[tuple[int, int]]:
    """Channels outside and inside of each level, from the outermost inwards.

    Raises:
        ValueError: a layer would be absurdly wide.
    """
    outer, inner = config.num_channels, config.channels
    for index in range(config.depth):
        if inner > MAX_LAYER_CHANNELS:
            raise ValueError(f"layer {index} would have {inner} channels")
        yield outer, inner
        outer, inner = inner, int(config.growth * inner)


def fitting_lengths(config: TimeUNetConfig, *, num_steps: int) -> tuple[int, int]:
    """The smallest length that leaves no sample over in any layer, and the step to the next ones.

    A layer that gives n steps has read (n - 1) * stride + kernel. Starting from the `num_steps`
    that the bottom must have gives the smallest length; each further step adds the product of all
    strides.

    Raises:
        ValueError: there is no such length, or it is absurdly long.
    """
    length, step = num_steps, 1
    for _ in range(config.depth):
        length = (length - 1) * config.stride + config.kernel_size
        step *= config.stride
    if config.resample:
        if length % 2 or step % 2:
            raise ValueError("the layers' lengths are odd, which twice the sample rate never is")
        length, step = length // 2, step // 2
    if max(length, step) > _MAX_MIN_LENGTH_SAMPLES:
        raise ValueError(f"it would read at least {max(length, step)} samples at once")
    return length, step
