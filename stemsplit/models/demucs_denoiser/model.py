"""Demucs for speech, in real time. Défossez, Synnaeve, Adi (2020), arXiv:2006.12847.

A U-Net on the waveform at four times its rate, whose LSTM at the bottom looks into the past only.
Modules are addressed by their position in a layer, since that is how published checkpoints name
them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.stream import StreamingModule
from stemsplit.models.demucs_denoiser import doubling
from stemsplit.models.demucs_denoiser.config import DenoiserConfig
from stemsplit.models.spec import InputScaling, ModelSpec

_CHUNK_SECONDS = 4
_MAX_LOOK_AHEAD_SAMPLES = 1 << 22


@dataclass(frozen=True, kw_only=True, slots=True)
class LayersState:
    """What the layers remember, at their own rate.

    Frames are what the bottom of the U-Net counts in. Their sound overlaps, so the last ones before
    the next are heard again by all layers but the LSTM, which has `lstm` to go on from.
    """

    heard: Tensor
    """From the first frame on that is heard again: [B, 1, T]."""
    frames: Tensor
    """What the LSTM made of those that are heard again: [B, D, N]."""
    lstm: tuple[Tensor, Tensor] | None
    """None before the first frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserState:
    """What the network remembers of a track."""

    num_samples: int
    """Of the whole track."""
    num_heard: int
    rising: tuple[Tensor, ...]
    """What is left of earlier samples, for each doubling of the rate: [B, 1, T]."""
    layers: LayersState
    falling: tuple[Tensor, ...]
    """The same for each halving."""
    ready: Tensor
    """Estimates [B, 1, T] that nobody has asked for yet."""


class CausalLSTM(nn.Module):
    """Frames [B, D, N] -> [B, D, N], and the memory after them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)

    def forward(
        self, frames: Tensor, memory: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        result, memory = self.lstm(frames.transpose(1, 2), memory)  # [B, N, D]
        return result.transpose(1, 2), memory


class DemucsDenoiser(StreamingModule[DenoiserState]):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T], as a `StreamingNetwork`."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        widths = _widths(config)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(outer, inner, config.kernel_size, config.stride),
                nn.ReLU(),
                nn.Conv1d(inner, 2 * inner, 1),
                nn.GLU(dim=1),
            )
            for outer, inner in widths
        )
        self.lstm = CausalLSTM(widths[-1][1])
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(inner, 2 * inner, 1),
                nn.GLU(dim=1),
                nn.ConvTranspose1d(inner, outer, config.kernel_size, config.stride),
                nn.Identity() if index == 0 else nn.ReLU(),
            )
            for index, (outer, inner) in reversed(list(enumerate(widths)))
        )
        self._frame, self._hop = _frames(config)
        self._num_again = -(-self._frame // self._hop) - 1
        self._rate = config.resample
        self._num_doublings = config.resample.bit_length() - 1
        self.spec = _spec(config, look_ahead=self._look_ahead)

    def start(self, mixture: Tensor, num_samples: int) -> DenoiserState:
        nothing = mixture.new_zeros(mixture.shape[0], 1, 0, dtype=torch.float32)

        def tails(length: int) -> tuple[Tensor, ...]:
            return (F.pad(nothing, (0, length)),) * self._num_doublings

        frames = nothing.expand(-1, self.lstm.lstm.hidden_size, -1)
        return DenoiserState(
            num_samples=num_samples,
            num_heard=0,
            rising=tails(doubling.UPSAMPLE_TAIL),
            layers=LayersState(heard=nothing, frames=frames, lstm=None),
            falling=tails(doubling.DOWNSAMPLE_TAIL),
            ready=nothing,
        )

    def advance(self, mixture: Tensor, state: DenoiserState) -> tuple[Tensor, DenoiserState]:
        num_heard = state.num_heard + mixture.shape[-1]
        if state.num_heard < state.num_samples:
            state = self._hear(mixture.float(), state)
        num_wanted = mixture.shape[-1]
        if num_heard == num_wanted:  # the first call
            num_wanted -= self.spec.chunking.context_samples
        # Behind the track's end there is nothing to say.
        ready = F.pad(state.ready, (0, max(0, num_wanted - state.ready.shape[-1])))
        state = replace(state, num_heard=num_heard, ready=ready[..., num_wanted:])
        return ready[:, None, :, :num_wanted], state  # [B, 1, 1, T]

    def _hear(self, mixture: Tensor, state: DenoiserState) -> DenoiserState:
        """The memory after the next samples, with what they make ready."""
        num_left = state.num_samples - state.num_heard
        ends = num_left <= mixture.shape[-1]
        x = mixture[..., :num_left]  # [B, 1, T]
        if ends:
            x = F.pad(x, (0, self._num_missing(state.num_samples)))
        rising, falling = [], []
        for tail in state.rising:
            x = F.pad(x, (0, doubling.UPSAMPLE_END)) if ends else x
            x, tail = doubling.upsample_by_two(x, tail)
            rising.append(tail)
        x, layers = self._run_layers(x, state.layers, ends=ends)
        for tail in state.falling:
            x = F.pad(x, (0, doubling.DOWNSAMPLE_END)) if ends else x
            x, tail = doubling.downsample_by_two(x, tail)
            falling.append(tail)
        return replace(
            state,
            rising=tuple(rising),
            layers=layers,
            falling=tuple(falling),
            ready=torch.cat((state.ready, x), dim=-1),
        )

    def _run_layers(
        self, fresh: Tensor, state: LayersState, *, ends: bool
    ) -> tuple[Tensor, LayersState]:
        """What no later frame changes, at the layers' rate [B, 1, T]; all there is if it `ends`."""
        heard = torch.cat((state.heard, fresh), dim=-1)
        num_known = state.frames.shape[-1]
        num_frames = (heard.shape[-1] - self._frame) // self._hop + 1
        if num_frames <= num_known:
            return fresh[..., :0], replace(state, heard=heard)
        x, skips = heard[..., : self._frame + (num_frames - 1) * self._hop], []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        fresh_frames, lstm = self.lstm(x[..., num_known:], state.lstm)
        x = frames = torch.cat((state.frames, fresh_frames), dim=-1)
        for decode in self.decoder:
            x = decode(x + skips.pop())
        num_again = min(self._num_again, num_frames)
        state = LayersState(
            heard=heard[..., (num_frames - num_again) * self._hop :],
            frames=frames[..., num_frames - num_again :],
            lstm=lstm,
        )
        stop = x.shape[-1] if ends else num_frames * self._hop
        return x[..., num_known * self._hop : stop].float(), state

    def _num_missing(self, num_samples: int) -> int:
        """By how much silence a track is continued, so that no layer has samples left over."""
        frame, hop = self._frame // self._rate, self._hop // self._rate
        num_more = -(-max(0, num_samples - frame) // hop)
        return frame + num_more * hop - num_samples

    @property
    def _look_ahead(self) -> int:
        """How many more samples must be heard than said: a frame, and what resampling needs."""
        resampling = sum(2 * doubling.ZERO_CROSSINGS >> i for i in range(self._num_doublings))
        return self._frame // self._rate + resampling


def _widths(config: DenoiserConfig) -> list[tuple[int, int]]:
    """Channels outside and inside of each level, from the outermost inwards."""
    widths = [(1, config.channels)]
    while len(widths) < config.depth:
        inner = widths[-1][1]
        widths.append((inner, int(config.growth * inner)))
    if widths[-1][1] > MAX_LAYER_CHANNELS:
        raise ValueError(f"the last layer would have {widths[-1][1]} channels")
    return widths


def _frames(config: DenoiserConfig) -> tuple[int, int]:
    """What one step at the bottom hears, and how far it is to the next, in the layers' samples."""
    frame, hop = 1, 1
    for _ in range(config.depth):
        frame = (frame - 1) * config.stride + config.kernel_size
        hop *= config.stride
    if config.resample == 3 or frame % config.resample or hop % config.resample:
        raise ValueError(f"the layers' lengths are not whole at {config.resample} times the rate")
    if config.kernel_size < config.stride:
        raise ValueError(f"kernels of {config.kernel_size} leave gaps at {config.stride}")
    if frame > _MAX_LOOK_AHEAD_SAMPLES:
        raise ValueError(f"it would hear {frame} samples ahead")
    return frame, hop


def _spec(config: DenoiserConfig, *, look_ahead: int) -> ModelSpec:
    return ModelSpec(
        family="demucs_denoiser",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=config.sample_rate,
        num_channels=1,
        chunking=ChunkPolicy.in_sequence(
            _CHUNK_SECONDS * config.sample_rate, look_ahead_samples=look_ahead
        ),
        scaling=InputScaling(centred=False, floor=1e-3, floor_returns=False),
        paper="Défossez, Synnaeve, Adi (2020), arXiv:2006.12847",
    )
