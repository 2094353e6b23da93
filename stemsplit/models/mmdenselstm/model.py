"""MMDenseLSTM: a network for each stem, and a Wiener filter that makes one sense of them.

Takahashi, Goswami, Mitsufuji, "MMDenseLSTM: An efficient combination of convolutional and recurrent
neural networks for audio source separation", IWAENC 2018; and how the program that trained the
published networks runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import stft
from stemsplit.dsp.wiener import WienerOptions, wiener_in_parts
from stemsplit.models.blocks.both_ways import both_ways
from stemsplit.models.blocks.synthesis import synthesize
from stemsplit.models.mmdenselstm.config import MMDenseLSTMConfig
from stemsplit.models.mmdenselstm.network import DenseLstmNetwork
from stemsplit.models.spec import ModelSpec

_NUM_CHANNELS = 2

# The original takes songs whole, and its filter knows one place for each stem in a song. So do
# chunks of 4:10 with most songs. Those of longer songs begin where patches begin.
_FRAMES_PER_CHUNK = 10752
_FRAMES_IN_OVERLAP = 768

_FILTER = WienerOptions(softmask=True, window_frames=None, epsilon=1e-12)


class MMDenseLSTM(nn.Module):
    """Mixture [B, 2, T] -> stems [B, S, 2, T], for any T of at least 1.

    It holds the mixture's spectrogram and all stems' magnitudes; what the filter makes of them
    exists for one patch at a time.
    """

    def __init__(self, config: MMDenseLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.networks = nn.ModuleList(
            DenseLstmNetwork(_NUM_CHANNELS, network) for network in config.networks
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        sizes = self.config.spectrogram
        n_fft, hop, patch_frames = sizes.n_fft, sizes.hop_length, sizes.patch_frames
        # A mixture that is too short to be reflected at its ends gets some silence.
        missing = max(0, n_fft // 2 + 1 - num_samples)
        padded = F.pad(mixture.float(), (0, missing))
        spectrogram = stft(padded, n_fft=n_fft, hop_length=hop, normalized=False)  # [B, C, F, N]
        # The last patch is filled up with silent frames, which the inverse transform counts as
        # frames of the signal.
        spectrogram = F.pad(spectrogram, (0, -spectrogram.shape[-1] % patch_frames))
        patches = torch.split(spectrogram, patch_frames, dim=-1)
        stems = [self._magnitudes(patch.abs()) for patch in patches]

        def parts() -> Iterator[tuple[Tensor, Tensor]]:
            yield from zip(stems, patches, strict=True)

        end = max(num_samples + missing, (spectrogram.shape[-1] - 1) * hop)
        estimates = wiener_in_parts(parts, options=_FILTER)
        signals = synthesize(estimates, hop_length=hop, num_samples=end)
        return signals[..., :num_samples]  # [B, S, C, T]

    def _magnitudes(self, patch: Tensor) -> Tensor:
        """The stems' magnitudes [B, S, C, F, N] in a patch of the mixture's [B, C, F, N].

        Each is the mean of the network's for the channels as they are and for left and right
        exchanged. Above the bins that it hears, each stem has all of the mixture, which the filter
        divides.
        """
        stems = []
        for network in cast(Sequence[DenseLstmNetwork], self.networks):
            num_heard = network.config.full.num_bins
            estimate = both_ways(network, patch[..., :num_heard, :])
            stems.append(torch.cat([estimate, patch[..., num_heard:, :]], dim=-2))
        return torch.stack(stems, dim=1)


def _spec(config: MMDenseLSTMConfig) -> ModelSpec:
    sizes = config.spectrogram
    # In whole patches, so many that chunks are about as long for patches of another length.
    num_patches = max(2, _FRAMES_PER_CHUNK // sizes.patch_frames)
    num_shared = max(1, min(num_patches // 2, _FRAMES_IN_OVERLAP // sizes.patch_frames))
    patch_samples = sizes.patch_frames * sizes.hop_length
    return ModelSpec(
        family="mmdenselstm",
        stems=config.stems,
        sample_rate=sizes.sample_rate,
        num_channels=_NUM_CHANNELS,
        chunking=ChunkPolicy(
            chunk_samples=num_patches * patch_samples, overlap_samples=num_shared * patch_samples
        ),
        scaling=None,
        paper="Takahashi, Goswami and Mitsufuji (2018), arXiv:1805.02410",
    )
