"""Open-Unmix: the networks of all stems, and the Wiener filter that makes one sense of them.

Stöter, Uhlich, Liutkus, Mitsufuji, "Open-Unmix - A Reference Implementation for Music Source
Separation", JOSS 4(41), 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import stft
from stemsplit.dsp.wiener import WienerOptions, wiener
from stemsplit.models.openunmix.config import OpenUnmixConfig
from stemsplit.models.openunmix.network import StemNetwork
from stemsplit.models.openunmix.synthesis import synthesize
from stemsplit.models.spec import ModelSpec

# The networks estimate loudness and the filter places it, so that both channels are kept even
# where the networks hear but one.
_NUM_CHANNELS = 2

# The original takes songs whole, and so do chunks of 4:11 with most songs: the LSTMs hear all of
# them, and the result is the original's to the last bits of float32. A chunk takes 1.7 GB (umxhq,
# at 44.1 kHz).
#
# Longer songs begin their chunks where the filter begins a window. So a chunk has the same windows
# as the whole song, which matters more than how long it is: with random weights, a song of 400 s
# was 68 dB from the whole, one of 200 s in chunks of 63 s still 69 dB, but in chunks of 60 s, a
# quarter of them shared, 22 dB.
_WINDOWS_PER_CHUNK = 36
_WINDOWS_IN_OVERLAP = 2


class OpenUnmix(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for any T of at least 1.

    It holds the mixture's spectrogram and some features of each frame; everything larger exists for
    one window of the filter at a time.
    """

    def __init__(self, config: OpenUnmixConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.networks = nn.ModuleList(
            StemNetwork(network, config.spectrogram) for network in config.networks
        )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        n_fft, hop = self.config.spectrogram.n_fft, self.config.spectrogram.hop_length
        # A mixture that is too short to be reflected at its ends gets some silence.
        missing = max(0, n_fft // 2 + 1 - num_samples)
        padded = F.pad(mixture.float(), (0, missing))
        spectrogram = stft(padded, n_fft=n_fft, hop_length=hop, normalized=False)  # [B, C, F, N]
        estimates = self._estimate(torch.split(spectrogram, self.config.window_frames, dim=-1))
        signals = synthesize(estimates, hop_length=hop, num_samples=num_samples + missing)
        return signals[..., :num_samples]  # [B, S, C, T]

    def _estimate(self, windows: Sequence[Tensor]) -> Iterator[Tensor]:
        """The stems' spectrograms [B, S, C, F, N'] in the mixture's windows [B, C, F, N']."""
        networks = cast(Sequence[StemNetwork], self.networks)
        encoded: list[list[Tensor]] = [[] for _ in networks]
        for window in windows:
            magnitudes = self._magnitudes(window)
            for features, network in zip(encoded, networks, strict=True):
                features.append(network.encode(magnitudes))
        lengths = [window.shape[-1] for window in windows]
        related = [
            torch.split(network.relate(torch.cat(features)), lengths)
            for features, network in zip(encoded, networks, strict=True)
        ]
        options = WienerOptions(num_iterations=self.config.num_iterations, window_frames=None)
        for window, *features in zip(windows, *related, strict=True):
            magnitudes = self._magnitudes(window)
            stems = [
                network.decode(feature, magnitudes)
                for network, feature in zip(networks, features, strict=True)
            ]
            yield wiener(torch.stack(stems, dim=1), window, options=options)

    def _magnitudes(self, spectrogram: Tensor) -> Tensor:
        """[B, C, F, N] as the networks hear it: both channels, or [B, 1, F, N] their mean."""
        magnitudes = spectrogram.abs()
        if self.config.spectrogram.num_channels == 1:
            return magnitudes.mean(dim=1, keepdim=True)
        return magnitudes


def _spec(config: OpenUnmixConfig) -> ModelSpec:
    spectrogram = config.spectrogram
    window_samples = config.window_frames * spectrogram.hop_length
    return ModelSpec(
        family="openunmix",
        stems=config.stems,
        sample_rate=spectrogram.sample_rate,
        num_channels=_NUM_CHANNELS,
        chunking=ChunkPolicy(
            chunk_samples=_WINDOWS_PER_CHUNK * window_samples,
            overlap_samples=_WINDOWS_IN_OVERLAP * window_samples,
        ),
        scaling=None,
        paper="Stöter et al. (2019), doi:10.21105/joss.01667",
    )
