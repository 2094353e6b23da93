"""Open-Unmix: the networks of all stems, and the Wiener filter that makes one sense of them.

Stöter, Uhlich, Liutkus, Mitsufuji, "Open-Unmix - A Reference Implementation for Music Source
Separation", JOSS 4(41), 2019.

X-UMX bridges the same networks by two averages: Sawata, Uhlich, Takahashi, Mitsufuji, "All for One
and One for All: Improving Music Separation by Bridging Networks", ICASSP 2021, section 2.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import stft
from stemsplit.dsp.wiener import wiener_in_parts
from stemsplit.models.blocks.synthesis import synthesize
from stemsplit.models.openunmix.config import OpenUnmixConfig
from stemsplit.models.openunmix.network import StemNetwork
from stemsplit.models.spec import ModelSpec

_WINDOW_FRAMES = 300
"""In memory at a time, but for features; and what Open-Unmix's filter hears at a time."""

# The original takes songs whole, and so do chunks of 4:11 with most songs: the LSTMs hear all of
# them, and the result is the original's to the last bits of float32. A chunk takes 1.7 GB (umxhq,
# at 44.1 kHz).
#
# Longer songs begin their chunks where the filter begins a window. So a chunk has the same windows
# as the whole song, which matters more than how long it is: with random weights, a song of 400 s
# was 68 dB from the whole, one of 200 s in chunks of 63 s still 69 dB, but in chunks of 60 s, a
# quarter of them shared, 22 dB. X-UMX's filter has one window for all of a chunk: 5:13 of noise
# were 51 dB from the whole.
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
        estimates = self._estimate(torch.split(spectrogram, _WINDOW_FRAMES, dim=-1))
        signals = synthesize(estimates, hop_length=hop, num_samples=num_samples + missing)
        return signals[..., :num_samples]  # [B, S, C, T]

    def _estimate(self, windows: Sequence[Tensor]) -> Iterator[Tensor]:
        """The stems' spectrograms [B, S, C, F, N'] in the mixture's windows [B, C, F, N']."""
        lengths = [window.shape[-1] for window in windows]
        related = [torch.split(features, lengths) for features in self._relate(windows)]

        def decoded() -> Iterator[tuple[Tensor, Tensor]]:
            for window, *features in zip(windows, *related, strict=True):
                magnitudes = self._magnitudes(window)
                stems = [
                    network.decode(feature, magnitudes)
                    for network, feature in zip(self._networks, features, strict=True)
                ]
                yield torch.stack(stems, dim=1), window  # [B, S, C, F, N']

        return wiener_in_parts(decoded, options=self.config.filter)

    def _relate(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Features [N, B, 2H] of all frames, for each network's last layers."""
        encoded: list[list[Tensor]] = [[] for _ in self._networks]
        for window in windows:
            magnitudes = self._magnitudes(window)
            for features, network in zip(encoded, self._networks, strict=True):
                features.append(network.encode(magnitudes))
        if not self.config.bridged:
            return [
                network.relate(torch.cat(features))
                for features, network in zip(encoded, self._networks, strict=True)
            ]
        # Both averages of the paper's figure 1: what all have heard, and what all make of it.
        shared = torch.cat([_mean(features) for features in zip(*encoded, strict=True)])
        return [_mean(network.relate(shared) for network in self._networks)] * len(encoded)

    @property
    def _networks(self) -> Sequence[StemNetwork]:
        return cast(Sequence[StemNetwork], self.networks)

    def _magnitudes(self, spectrogram: Tensor) -> Tensor:
        """[B, C, F, N] as the networks hear it: both channels, or [B, 1, F, N] their mean."""
        magnitudes = spectrogram.abs()
        if self.config.spectrogram.num_channels == 1:
            return magnitudes.mean(dim=1, keepdim=True)
        return magnitudes


def _mean(parts: Iterable[Tensor]) -> Tensor:
    parts = iter(parts)
    total, count = next(parts).clone(), 1
    for part in parts:
        total += part
        count += 1
    return total / count


def _spec(config: OpenUnmixConfig) -> ModelSpec:
    spectrogram = config.spectrogram
    window_samples = _WINDOW_FRAMES * spectrogram.hop_length
    paper = "Stöter et al. (2019), doi:10.21105/joss.01667"
    return ModelSpec(
        family="xumx" if config.bridged else "openunmix",
        stems=config.stems,
        sample_rate=spectrogram.sample_rate,
        num_channels=config.num_channels,
        chunking=ChunkPolicy(
            chunk_samples=_WINDOWS_PER_CHUNK * window_samples,
            overlap_samples=_WINDOWS_IN_OVERLAP * window_samples,
        ),
        scaling=None,
        paper="Sawata et al. (2021), arXiv:2010.04228" if config.bridged else paper,
    )
