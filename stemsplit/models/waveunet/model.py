"""Wave-U-Net: a U-Net on the waveform.

Stoller, Ewert, Dixon, "Wave-U-Net: a multi-scale neural network for end-to-end audio source
separation" (2018), arXiv:1806.03185, as its first author rewrote it for PyTorch: each stem has a
network of its own, and the rate falls by 4 from level to level behind a fixed low-pass.

Convolutions have no padding (section 3.2.2 of the paper, "prediction with proper input context"),
so a network gives less than it hears: the chunks' context.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.spec import ModelSpec
from stemsplit.models.waveunet.config import NUM_TAPS, WaveUNetConfig
from stemsplit.quoting import quoted

_GROUP_CHANNELS = 8
_MIN_STEPS = NUM_TAPS // 2 + 1  # the authors' reflection needs more steps than half the taps
_MAX_CHUNK_SAMPLES = 1 << 25


class WaveUNet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for any T.

    Estimates are silent for the context at both ends, where the networks heard too little. A T
    that leaves samples over in some level is continued with silence.
    """

    def __init__(self, config: WaveUNetConfig) -> None:
        super().__init__()
        self.config = config
        self._lengths = _Lengths(config)
        self.waveunets = nn.ModuleDict()
        for stem in config.stems:
            if "." in stem or hasattr(self.waveunets, stem):
                raise ValueError(f"no network can be called {quoted(stem)}")
            self.waveunets[stem] = _UNet(config)
        context = self._lengths.context
        self.spec = ModelSpec(
            family="waveunet",
            stems=config.stems,
            sample_rate=config.sample_rate,
            num_channels=config.num_channels,
            # One piece after the other, each of them heard with what is around it.
            chunking=ChunkPolicy(
                chunk_samples=self._lengths.fitted(config.output_samples + 2 * context)
                - 2 * context,
                overlap_samples=0,
                context_samples=context,
                tail="left",
                fixed_length=True,
            ),
            scaling=None,
            paper="Stoller, Ewert, Dixon (2018), arXiv:1806.03185",
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples, context = mixture.shape[-1], self._lengths.context
        padded = F.pad(mixture.float(), (0, self._lengths.fitted(num_samples) - num_samples))
        stems = [network(padded).float() for network in self.waveunets.values()]
        estimates = torch.stack(stems, dim=1).clamp_(-1, 1)  # [B, S, C, T' - 2 context]
        return F.pad(estimates, (context, context))[..., :num_samples]  # [B, S, C, T]


class _Lengths:
    """How many samples a network hears so that none is left over in any level, and its context.

    Of `steps` in the lowest level, a convolution hears kernel - 1 more than it gives. A level
    whose rate is the stride times that of the one below has steps at its first and its last one,
    (n - 1) * stride + 1 of them.
    """

    def __init__(self, config: WaveUNetConfig) -> None:
        num_levels = len(config.widths) - 1
        if not num_levels:
            raise ValueError("there is no level below the first")
        margin = config.kernel_size - 1
        heard, given = _MIN_STEPS + margin, _MIN_STEPS
        for _ in range(num_levels):
            heard = (heard - 1) * config.stride + 1 + 2 * margin
            given = (given - 1) * config.stride + 1 - 2 * margin
            if heard > _MAX_CHUNK_SAMPLES or given < 1:
                raise ValueError(f"{num_levels} levels hear {heard} samples and give {given}")
        self._shortest = heard
        self._step: int = config.stride**num_levels
        self.context = (heard - given) // 2

    def fitted(self, num_samples: int) -> int:
        """The smallest such length that is not below `num_samples`."""
        return self._shortest + -(-max(0, num_samples - self._shortest) // self._step) * self._step


class _UNet(nn.Module):
    """[B, C, T] -> [B, C, T - 2 context]. Names of layers are the checkpoints'."""

    def __init__(self, config: WaveUNetConfig) -> None:
        super().__init__()
        widths, kernel = config.widths, config.kernel_size
        pairs = list(itertools.pairwise(widths))
        heard = (config.num_channels, *widths[1:-1])
        self.downsampling_blocks = nn.ModuleList(
            _Down(num_in, outer, inner, kernel_size=kernel, stride=config.stride)
            for num_in, (outer, inner) in zip(heard, pairs, strict=True)
        )
        self.bottlenecks = nn.ModuleList([_Convolution(widths[-1], widths[-1], kernel)])
        self.upsampling_blocks = nn.ModuleList(
            _Up(inner, outer, kernel_size=kernel, stride=config.stride)
            for outer, inner in reversed(pairs)
        )
        self.output_conv = nn.Conv1d(widths[0], config.num_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.downsampling_blocks:
            x, skip = block(x)
            skips.append(skip)
        for layer in self.bottlenecks:
            x = layer(x)
        for block in self.upsampling_blocks:
            x = block(x, skips.pop())
        return cast(Tensor, self.output_conv(x))


class _Down(nn.Module):
    """[B, D, T] -> the next level's [B, D'', T' / stride], and the skip [B, D', T']."""

    def __init__(
        self, num_in: int, num_skip: int, num_out: int, *, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        self.pre_shortcut_convs = nn.ModuleList([_Convolution(num_in, num_skip, kernel_size)])
        self.post_shortcut_convs = nn.ModuleList([_Convolution(num_skip, num_out, kernel_size)])
        self.downconv = _Resampling(num_out, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.pre_shortcut_convs:
            x = layer(x)
        skip = x
        for layer in self.post_shortcut_convs:
            x = layer(x)
        return self.downconv.down(x), skip


class _Up(nn.Module):
    """[B, D', T'] and the skip [B, D, > T' * stride] -> [B, D, < T' * stride]."""

    def __init__(self, num_in: int, num_out: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.upconv = _Resampling(num_in, stride)
        self.pre_shortcut_convs = nn.ModuleList([_Convolution(num_in, num_out, kernel_size)])
        self.post_shortcut_convs = nn.ModuleList([_Convolution(2 * num_out, num_out, kernel_size)])

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.upconv.up(x)
        for layer in self.pre_shortcut_convs:
            x = layer(x)
        left = (skip.shape[-1] - x.shape[-1]) // 2
        x = torch.cat([skip[..., left : left + x.shape[-1]], x], dim=1)
        for layer in self.post_shortcut_convs:
            x = layer(x)
        return x


class _Convolution(nn.Module):
    """[B, D, T] -> [B, D', T - kernel + 1], normalised in groups of 8 channels, above 0."""

    def __init__(self, num_in: int, num_out: int, kernel_size: int) -> None:
        super().__init__()
        if num_out % _GROUP_CHANNELS:
            raise ValueError(f"{num_out} channels are no groups of {_GROUP_CHANNELS}")
        self.filter = nn.Conv1d(num_in, num_out, kernel_size)
        self.norm = nn.GroupNorm(num_out // _GROUP_CHANNELS, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.norm(self.filter(x)))


class _Resampling(nn.Module):
    """A low-pass, the same wherever the rate changes, and the stride. Ends are reflected."""

    def __init__(self, num_channels: int, stride: int) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.empty(num_channels, 1, NUM_TAPS))
        self._stride = stride

    def down(self, x: Tensor) -> Tensor:
        """[B, D, (T - 1) * stride + 1] -> [B, D, T]."""
        reach = NUM_TAPS // 2
        padded = F.pad(x, (reach, reach), mode="reflect")
        return F.conv1d(padded, self.filter, stride=self._stride, groups=len(self.filter))

    def up(self, x: Tensor) -> Tensor:
        """[B, D, T] -> [B, D, (T - 1) * stride + 1]."""
        # The filter reaches no more than this many steps to either side; what they leave of
        # themselves beyond the ends is cut off together with its own length.
        reach = -(-(NUM_TAPS // 2) // self._stride)
        return F.conv_transpose1d(
            F.pad(x, (reach, reach), mode="reflect"),
            self.filter,
            stride=self._stride,
            padding=NUM_TAPS // 2 + reach * self._stride,
            groups=len(self.filter),
        )
