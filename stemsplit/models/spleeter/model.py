"""Spleeter: a U-Net for each stem, and masks from what they say about the same spectrogram.

Hennequin, Khlif, Voituret, Moussallam, "Spleeter: a fast and efficient music source separation tool
with pre-trained models", JOSS 5(50), 2020.

The networks hear blocks of so many frames, which do not overlap. The frames do: what a block says
of its first and last samples is only its own frames' part, and neighbouring blocks' parts add up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import add_frames
from stemsplit.models.self_test import self_test_signals
from stemsplit.models.spec import ModelSpec
from stemsplit.models.spleeter.config import SpleeterConfig
from stemsplit.models.spleeter.network import StemUNet

_TEST_FRAMES = 64
_TINY = 1e-10


class Spleeter(nn.Module):
    """A block of the mixture [B, C, T] -> the stems' frames in it, added up [B, S, C, T].

    T is the block's, `spec.chunking.chunk_samples`. The stems do not sum to the mixture: above the
    highest bin that the networks hear there is silence, unless `mask_extension` is "average".
    """

    def __init__(self, config: SpleeterConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.networks = nn.ModuleList(
            StemUNet(
                config.num_channels, config.widths, config.down_activation, config.up_activation
            )
            for _ in config.stems
        )

    def forward(self, mixture: Tensor) -> Tensor:
        config = self.config
        window = torch.hann_window(config.n_fft, device=mixture.device)
        frames = mixture.float().unfold(-1, config.n_fft, config.hop_length)  # [B, C, N, n_fft]
        spectrogram = torch.fft.rfft(frames * window)  # [B, C, N, bins]
        num_bins = config.num_bins
        masks = self.masks(spectrogram[..., :num_bins].abs())  # [B, S, C, N, F]
        stem = torch.zeros_like(spectrogram)  # [B, C, N, bins], for each stem in turn
        stems = []
        for mask in masks.unbind(1):
            # Of reals, since a product of complex numbers takes several times as long.
            parts = torch.view_as_real(spectrogram), torch.view_as_real(stem)
            heard, masked = (each[..., :num_bins, :] for each in parts)
            torch.mul(heard, mask[..., None], out=masked)
            if config.mask_extension == "average":
                stem[..., num_bins:] = spectrogram[..., num_bins:] * mask.mean(-1, keepdim=True)
            frames = torch.fft.irfft(stem).mul_(window)
            # The windows of analysis and synthesis add up to the ratio of n_fft and hop, times 3/8.
            scale = 8 * config.hop_length / (3 * config.n_fft)
            stems.append(add_frames(frames, config.hop_length).mul_(scale))
        return torch.stack(stems, dim=1)[..., : mixture.shape[-1]]  # [B, S, C, T]

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """Masks of signals that are the same at each call; see `models.self_test`."""
        cut = 1 << len(self.config.widths)
        num_frames = min(self.config.num_frames, max(cut, _TEST_FRAMES // cut * cut))
        num_samples = (num_frames - 1) * self.config.hop_length + self.config.n_fft
        signals = self_test_signals(self.config.num_channels, num_samples)
        return self.forward(signals.to(device))

    def masks(self, magnitudes: Tensor) -> Tensor:
        """Shares [B, S, C, N, F] of each bin of the magnitudes [B, C, N, F]."""
        logits = torch.stack([network(magnitudes) for network in self.networks], dim=1).float()
        # In place: a block's shares are 8 MB for each stem, and memory takes longer than the sums.
        gains = logits.softmax(dim=1) if self.config.softmax else logits.sigmoid_()
        powers = gains.mul_(magnitudes[:, None]).square_()  # [B, S, C, N, F]
        total = sum(powers.unbind(1), torch.full((), _TINY, device=powers.device))  # [B, C, N, F]
        return powers.add_(_TINY / len(self.config.stems)).div_(total[:, None])


def _spec(config: SpleeterConfig) -> ModelSpec:
    block_samples = config.num_frames * config.hop_length
    return ModelSpec(
        family="spleeter",
        stems=config.stems,
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=ChunkPolicy(
            chunk_samples=block_samples + config.n_fft - config.hop_length,
            overlap_samples=config.n_fft - config.hop_length,
            margin_samples=config.n_fft,
            window="sum",
            tail="left",
            fixed_length=True,
        ),
        scaling=None,
        paper="Hennequin et al. (2020), doi:10.21105/joss.02154",
    )
