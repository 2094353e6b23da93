"""NSNet2: a gain for each bin from what a recurrent network remembers of the noise.

Braun, Tashev, "Data augmentation and loss normalization for deep noise suppression" (2020),
arXiv:2008.06412. It hears the log power of each frame, and multiplies the spectrum with the gains.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.frame_stream import FrameStream
from stemsplit.models.blocks.stream import StreamingModule
from stemsplit.models.nsnet2.config import Hearing, NsNet2Config
from stemsplit.models.spec import ModelSpec

_NUM_LEVELS = 2
_LEAST_POWER = 1e-12
_LEAST_GAIN = 1e-4
"""80 dB, the limit of suppression in the authors' scripts."""
_CHUNK_SECONDS = 10


class NsNet2State(NamedTuple):
    """What is remembered of a track, whose channels are heard one by one."""

    frames: FrameStream
    """Of [B * C, T]."""
    memory: Tensor
    """[levels, B * C, D]"""


class NsNet2(StreamingModule[NsNet2State]):
    """Mixture [B, C, T] -> speech [B, 1, C, T]; T is a number of hops, look-ahead included.

    As the authors have it, nothing is heard before the first sample, so that the speech is faded in
    over the overlap of the first two frames, some 10 ms.
    """

    def __init__(self, config: NsNet2Config) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config.hearing)
        width, inner, outer = (
            config.input_features,
            config.memory_features,
            config.output_features,
        )
        self.fc_in = nn.Sequential(nn.Linear(config.num_bins, width), nn.ReLU())
        self.gru = nn.GRU(width, inner, num_layers=_NUM_LEVELS, batch_first=True)
        self.fc_out = nn.Sequential(
            nn.Linear(inner, outer),
            nn.ReLU(),
            nn.Linear(outer, outer),
            nn.ReLU(),
            nn.Linear(outer, config.num_bins),
            nn.Sigmoid(),
        )

    def start(self, mixture: Tensor, num_samples: int) -> NsNet2State:  # noqa: ARG002
        """The memory before the first sample of a track like `mixture` [B, C, T]."""
        signals, hearing = mixture.float().flatten(0, 1), self.config.hearing  # [B * C, T]
        return NsNet2State(
            FrameStream.before(
                signals, frame_length=hearing.frame_length, hop_length=hearing.hop_length
            ),
            signals.new_zeros(_NUM_LEVELS, len(signals), self.config.memory_features),
        )

    def advance(self, mixture: Tensor, state: NsNet2State) -> tuple[Tensor, NsNet2State]:
        """Speech [B, 1, C, T'] and the memory after the next samples [B, C, T]."""
        hearing = self.config.hearing
        analysis, synthesis = _windows(hearing, mixture.device)
        frames, stream = state.frames.cut(mixture.float().flatten(0, 1))  # [B * C, N, frame]
        spectrum = torch.fft.rfft(frames * analysis, hearing.n_fft)  # [B * C, N, F]
        gains, memory = self.gains(_log_power(spectrum).float(), state.memory)
        enhanced = torch.fft.irfft(spectrum * gains, hearing.n_fft)[..., : hearing.frame_length]
        speech, stream = stream.add((enhanced * synthesis).float())  # [B * C, T']
        return torch.unflatten(speech, 0, mixture.shape[:2])[:, None], NsNet2State(stream, memory)

    def gains(self, log_power: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Gains [B, N, F] from 0.0001 to 1 for log10 of powers [B, N, F], and the memory [levels,
        B, D] after them."""
        features, memory = self.gru(self.fc_in(log_power), memory)
        gains: Tensor = self.fc_out(features)
        return gains.float().clamp(min=_LEAST_GAIN), memory.float()


def _log_power(spectrum: Tensor) -> Tensor:
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp(min=_LEAST_POWER).log10()


def _windows(hearing: Hearing, device: torch.device) -> tuple[Tensor, Tensor]:
    """What frames are multiplied with before and after, [frame_length] each."""
    analysis = torch.hann_window(
        hearing.frame_length, periodic=hearing.periodic, dtype=torch.float64
    ).sqrt()
    synthesis = analysis
    if hearing.periodic:
        # By its pseudo-inverse a signal comes back whole, however its frames overlap.
        hops = F.pad(analysis, (0, -hearing.frame_length % hearing.hop_length))
        power = hops.reshape(-1, hearing.hop_length).square().sum(0)  # [hop]
        synthesis = analysis / power.repeat(2)[: hearing.frame_length]
    dtype = torch.float32 if device.type == "mps" else hearing.dtype  # which has no other
    return analysis.to(device, dtype), synthesis.to(device, dtype)


def _spec(hearing: Hearing) -> ModelSpec:
    hops_per_second = hearing.sample_rate // hearing.hop_length
    return ModelSpec(
        family="nsnet2",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=hearing.sample_rate,
        num_channels=1,
        chunking=ChunkPolicy.in_sequence(
            _CHUNK_SECONDS * hops_per_second * hearing.hop_length,
            look_ahead_samples=hearing.hop_length,
            length_step_samples=hearing.hop_length,
        ),
        scaling=None,
        paper="Braun & Tashev (2020), arXiv:2008.06412",
    )
