"""FFC-SE: a speech's spectrogram out of a mixture's. Shchekotov et al. (2022), arXiv:2204.03042.

An autoencoder or a U-Net of bins and frames, in which some channels go through a Fourier transform
over bins. So each bin hears all others at once, but a frame no more than a second or three to
either side: what is heard of a track again and again is that much, and the result is that of the
track as a whole.

The authors' script brings a file's peak to 0.95, and its length to the next power of two by
silence; what the network makes of the file's end depends on how much that is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import istft, stft
from stemsplit.models.blocks.local_stream import LocalModule
from stemsplit.models.ffc_se.config import FfcSeConfig
from stemsplit.models.ffc_se.layers import spectrum_network
from stemsplit.models.spec import InputScaling, ModelSpec

_SAMPLE_RATE = 16000
_CHUNK_SECONDS = 16
_REACHES_PER_CHUNK = 8
"""Of what a chunk costs, a fifth is what was or will be heard with another one, and no more."""
_PEAK = 0.95


class FfcSe(LocalModule):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T]."""

    def __init__(self, config: FfcSeConfig) -> None:
        super().__init__()
        self.config = config
        self.net = spectrum_network(config)
        self.step_samples = config.hop_length * config.frames_per_step
        self.reach_samples = -(-_reach_samples(config) // self.step_samples) * self.step_samples
        # The reference refuses a file that is shorter.
        self.least_samples = max(2 * self.step_samples, config.n_fft)
        self.spec = _spec(look_ahead=self.reach_samples)

    def enhanced(self, mixture: Tensor) -> Tensor:
        """Speech [B, 1, T] of a part of a track [B, 1, T], as if the track were no longer."""
        hop_length, step = self.config.hop_length, self.config.frames_per_step
        spectrogram = stft(
            mixture[:, 0],
            n_fft=self.config.n_fft,
            hop_length=hop_length,
            normalized=False,
            periodic=False,
        )  # [B, F, N]
        num_bins, num_frames = spectrogram.shape[-2:]
        parts = torch.stack((spectrogram.real, spectrogram.imag), dim=1)  # [B, 2, F, N]
        parts = F.pad(parts, (0, -num_frames % step, 0, -num_bins % step), mode="reflect")
        parts = self.net(parts).float()[..., :num_bins, :num_frames]
        speech = istft(
            torch.complex(parts[:, 0], parts[:, 1]),
            hop_length=hop_length,
            num_samples=mixture.shape[-1],
            normalized=False,
            periodic=False,
        )
        return speech[:, None]


def _reach_samples(config: FfcSeConfig) -> int:
    """How far to either side of a sample the network hears at most."""
    frames = 3 + 3  # its first and its last layer
    for level in range(config.num_halvings + 1):
        ways = 1 if level == config.num_halvings else 2
        frames += ways * config.blocks_at(level) * 2 << level
        frames += 2 << level  # to the next level and back
    return frames * config.hop_length + config.n_fft


def _spec(*, look_ahead: int) -> ModelSpec:
    chunk_samples = max(_CHUNK_SECONDS * _SAMPLE_RATE, _REACHES_PER_CHUNK * look_ahead)
    return ModelSpec(
        family="ffc_se",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=_SAMPLE_RATE,
        num_channels=1,
        chunking=ChunkPolicy.in_sequence(chunk_samples, look_ahead_samples=look_ahead),
        scaling=InputScaling(level="peak", target=_PEAK, centred=False, floor=0.0),
        paper="Shchekotov et al. (2022), arXiv:2204.03042",
    )
