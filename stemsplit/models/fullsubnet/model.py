"""FullSubNet+: from the whole spectrum to each bin. Chen et al. (2022), arXiv:2203.12188.

Magnitudes, real and imaginary parts go through a network each that hears all bins. What they say
about a bin and what its neighbours have goes through an LSTM, one and the same for all bins, which
says the bin's complex mask.

Means, attention and the norm of every layer are over a whole recording, so a recording as long as
it comes can only be heard in pieces: chunks are a minute long, and each is one to the network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import istft, stft
from stemsplit.models.fullsubnet.config import NUM_FULL_BANDS, FullSubNetConfig
from stemsplit.models.fullsubnet.layers import BinAttention, FullBand, SubBand
from stemsplit.models.spec import ModelSpec

_SAMPLE_RATE = 16000
_HOP_SECONDS, _OVERLAP_SECONDS = 60, 6
_MEAN_FLOOR = 1e-5
_MASK_SCALE, _MASK_LIMIT = 10.0, 9.9
_FRAMES_PER_BLOCK = 128


class FullSubNetPlus(nn.Module):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T], for T of `min_length_samples` or more."""

    def __init__(self, config: FullSubNetConfig) -> None:
        super().__init__()
        num_bins = config.num_bins
        self.channel_attention = BinAttention(num_bins, config.kernel_sizes)
        self.channel_attention_real = BinAttention(num_bins, config.kernel_sizes)
        self.channel_attention_imag = BinAttention(num_bins, config.kernel_sizes)
        self.fb_model = FullBand(num_bins)
        self.fb_model_real = FullBand(num_bins)
        self.fb_model_imag = FullBand(num_bins)
        self._num_heard_bins = 2 * config.num_neighbours + 1
        self.sb_model = SubBand(self._num_heard_bins + NUM_FULL_BANDS, config.num_hidden)
        self.config = config
        self.spec = _spec(config)

    def forward(self, mixture: Tensor) -> Tensor:
        n_fft = 2 * (self.config.num_bins - 1)
        mixture = mixture.float()
        spectrogram = stft(mixture, n_fft=n_fft, hop_length=n_fft // 2, normalized=False)
        spectrogram = spectrogram[:, 0]  # [B, F, N]
        speech = istft(
            self._masks(spectrogram) * spectrogram,
            hop_length=n_fft // 2,
            num_samples=mixture.shape[-1],
            normalized=False,
        )
        return speech[:, None, None]  # [B, 1, 1, T]

    def _masks(self, spectrogram: Tensor) -> Tensor:
        """Complex masks [B, F, N] of a complex spectrogram [B, F, N]."""
        heard = F.pad(spectrogram, (0, self.config.look_ahead))
        magnitudes = self.channel_attention(_over_mean(heard.abs()))
        real = self.channel_attention_real(_over_mean(heard.real))
        imaginary = self.channel_attention_imag(_over_mean(heard.imag))
        full_bands = torch.stack(
            (self.fb_model(magnitudes), self.fb_model_real(real), self.fb_model_imag(imaginary)),
            dim=-1,
        )  # [B, F, N, 3]
        masks = self._sub_bands(magnitudes, full_bands).float()  # [B, F, N, 2]
        masks = masks[:, :, self.config.look_ahead :].clamp(-_MASK_LIMIT, _MASK_LIMIT)
        # Compressed as in Williamson, Wang and Wang (2016), eq. 11, with C = 0.1.
        return torch.view_as_complex(2 * _MASK_SCALE * torch.atanh(masks / _MASK_SCALE))

    def _sub_bands(self, magnitudes: Tensor, full_bands: Tensor) -> Tensor:
        """Compressed masks [B, F, N, 2], a few frames at a time: each bin has many features."""
        num_neighbours = self.config.num_neighbours
        padded = F.pad(magnitudes, (0, 0, num_neighbours, num_neighbours), mode="reflect")
        scale = self._mean(padded, full_bands) + _MEAN_FLOOR
        memory, masks = None, []
        for start in range(0, magnitudes.shape[-1], _FRAMES_PER_BLOCK):
            frames = slice(start, start + _FRAMES_PER_BLOCK)
            # [B, F, N, neighbours]
            neighbours = padded[..., frames].unfold(1, self._num_heard_bins, 1)
            features = torch.cat((neighbours, full_bands[:, :, frames]), dim=-1)  # [B, F, N, D]
            features = features / scale
            block, memory = self.sb_model(features.flatten(0, 1), memory)  # [B * F, N, 2]
            masks.append(block)
        return torch.unflatten(torch.cat(masks, dim=1), 0, magnitudes.shape[:2])

    def _mean(self, padded: Tensor, full_bands: Tensor) -> Tensor:
        """The mean [B, 1, 1, 1] of all features that the sub-band network hears."""
        heard = padded.sum(dim=-1).unfold(1, self._num_heard_bins, 1).sum(dim=(1, 2))  # [B]
        num_frames = padded.shape[-1]
        num_features = full_bands.shape[1] * (self._num_heard_bins + NUM_FULL_BANDS)
        total = heard + full_bands.sum(dim=(1, 2, 3))
        return (total / (num_frames * num_features))[:, None, None, None]


def _over_mean(bins: Tensor) -> Tensor:
    """Bins [B, F, N] as multiples of their mean over the recording.

    Real and imaginary parts cancel, to a mean that may lie next to `-_MEAN_FLOOR`: summed in
    float32, speech was 82 dB from itself.
    """
    mean = bins.mean(dim=(1, 2), keepdim=True, dtype=torch.float64)
    return bins / (mean + _MEAN_FLOOR).float()


def _spec(config: FullSubNetConfig) -> ModelSpec:
    hop_length = config.num_bins - 1
    # The attention's kernels must fit, and so must a reflection at both ends.
    num_frames = max(config.kernel_sizes) - config.look_ahead
    chunking = ChunkPolicy(
        chunk_samples=(_HOP_SECONDS + _OVERLAP_SECONDS) * _SAMPLE_RATE,
        overlap_samples=_OVERLAP_SECONDS * _SAMPLE_RATE,
        min_length_samples=max((num_frames - 1) * hop_length, hop_length + 1),
    )
    return ModelSpec(
        family="fullsubnet",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=_SAMPLE_RATE,
        num_channels=1,
        chunking=chunking,
        scaling=None,
        paper="Chen et al. (2022), arXiv:2203.12188",
    )
