"""D3Net: a network for each stem, and a Wiener filter that makes one sense of them.

Takahashi, Mitsufuji, "Densely connected multidilated convolutional networks for dense prediction
tasks", CVPR 2021, section 5.2, and how the authors' program runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.frame_stream import FrameStream
from stemsplit.dsp.stft import stft
from stemsplit.dsp.wiener import WienerOptions, wiener_in_parts
from stemsplit.models.blocks.both_ways import both_ways
from stemsplit.models.blocks.synthesis import synthesize
from stemsplit.models.d3net.config import D3NetConfig, StemConfig
from stemsplit.models.d3net.network import StemD3Net
from stemsplit.models.spec import ModelSpec

# The original takes songs whole, and its filter knows one place for each stem in a song. So do
# chunks of 4:10 with most songs, which take 2 GB and what a patch takes. Those of longer songs
# begin where patches begin.
_FRAMES_PER_CHUNK = 10752
_FRAMES_IN_OVERLAP = 768

_WINDOW_FRAMES = 256
"""How many the filter takes at a time; it matters to memory alone."""


class D3Net(nn.Module):
    """Mixture [B, 2, T] -> stems [B, S, 2, T], for any T of at least 1.

    It holds the mixture's spectrogram and all stems' magnitudes; what the filter makes of them
    exists for one window of frames at a time.
    """

    def __init__(self, config: D3NetConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.networks = nn.ModuleList(StemD3Net(network) for network in config.networks)
        # The filter shares the mixture out among the stems: with a single one it has no use.
        num_iterations = 1 if len(config.stems) > 1 else 0
        self._filter = WienerOptions(
            num_iterations=num_iterations, window_frames=None, noiseless=True
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        n_fft, hop = self.config.spectrogram.n_fft, self.config.spectrogram.hop_length
        # A mixture that is too short to be reflected at its ends gets some silence.
        missing = max(0, n_fft // 2 + 1 - num_samples)
        padded = F.pad(mixture.float(), (0, missing))
        spectrogram = stft(padded, n_fft=n_fft, hop_length=hop, normalized=False)  # [B, C, F, N]
        stems = self._magnitudes(spectrogram)

        def in_windows() -> Iterator[tuple[Tensor, Tensor]]:
            for start in range(0, spectrogram.shape[-1], _WINDOW_FRAMES):
                window = slice(start, start + _WINDOW_FRAMES)
                mixture = spectrogram[..., window]
                yield _with_highs([stem[..., window] for stem in stems], mixture.abs()), mixture

        estimates = wiener_in_parts(in_windows, options=self._filter)
        signals = synthesize(estimates, hop_length=hop, num_samples=num_samples + missing)
        return signals[..., :num_samples]  # [B, S, C, T]

    def _magnitudes(self, spectrogram: Tensor) -> list[Tensor]:
        """Each stem's magnitudes [B, C, F', N] in the bins that its network hears."""
        heard = spectrogram.abs()
        networks = cast(Sequence[StemD3Net], self.networks)
        return [
            _in_patches(network, config, heard[..., : config.num_heard_bins, :])
            for network, config in zip(networks, self.config.networks, strict=True)
        ]


def _with_highs(stems: Sequence[Tensor], mixture: Tensor) -> Tensor:
    """All stems' magnitudes [B, S, C, F, N] in all bins, of those in the bins that are heard.

    Above, each stem has all of the mixture's [B, C, F, N], which the filter divides among them.
    """
    each = [torch.cat((stem, mixture[..., stem.shape[-2] :, :]), dim=-2) for stem in stems]
    return torch.stack(each, dim=1)


def _in_patches(network: StemD3Net, config: StemConfig, magnitudes: Tensor) -> Tensor:
    """The stem's magnitudes [B, C, F', N], of those of the mixture, also [B, C, F', N].

    Each is the mean of what the patches say that it is in, which begin and end in silence around
    the track. The authors' program leaves out the last patch of some songs, of those whose number
    of frames is more than half a patch beyond a multiple of a patch; there all patches count.
    """
    num_frames, shift = magnitudes.shape[-1], config.shift_frames
    early = config.patch_frames - shift
    stream = FrameStream.before(
        magnitudes,
        frame_length=config.patch_frames,
        hop_length=shift,
        num_silent=early,
        num_early=early,
    )
    frames = F.pad(magnitudes, (0, early + -num_frames % shift))
    finished = []
    for piece in torch.split(frames, shift, dim=-1):
        patches, stream = stream.cut(piece)  # [B, C, F', 1, patch]
        patch = patches[..., 0, :].transpose(-1, -2)  # [B, C, N, F']
        estimate = both_ways(network, patch).transpose(-1, -2)
        done, stream = stream.add(estimate[..., None, :])  # [B, C, F', shift], or none yet
        finished.append(done)
    total = torch.cat(finished, dim=-1)[..., :num_frames]
    return total / (config.patch_frames // shift)


def _spec(config: D3NetConfig) -> ModelSpec:
    hop = config.spectrogram.hop_length
    return ModelSpec(
        family="d3net",
        stems=config.stems,
        sample_rate=config.spectrogram.sample_rate,
        num_channels=config.spectrogram.num_channels,
        chunking=ChunkPolicy(
            chunk_samples=_FRAMES_PER_CHUNK * hop, overlap_samples=_FRAMES_IN_OVERLAP * hop
        ),
        scaling=None,
        paper="Takahashi and Mitsufuji (2021), arXiv:2011.11844",
    )
