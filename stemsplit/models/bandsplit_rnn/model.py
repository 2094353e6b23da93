"""Band-Split RNN: the complex mask of one stem, from RNNs along time and along bands.

Luo and Yu, "Music source separation with band-split RNN" (2022), arXiv:2209.15174. Its authors
published no weights. These are the networks of an independent implementation, which also takes the
mean and the deviation of each chunk's spectrogram away, and gives them back.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import istft, stft
from stemsplit.models.bandsplit_rnn.config import BandSplitRnnConfig
from stemsplit.models.bandsplit_rnn.layers import BandEncoder, BandSequence, MaskEstimation
from stemsplit.models.spec import ModelSpec, counterpart_of

_STD_FLOOR = 1e-5


class BandSplitRnn(nn.Module):
    """Mixture [B, C, T] -> stem [B, 1, C, T], for 1 <= T <= `chunk_samples`.

    What is shorter than a chunk is continued with silence.
    """

    def __init__(self, config: BandSplitRnnConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.spec = _spec(config)
        bands = config.bands
        self.bandsplit = BandEncoder(config, bands)
        self.bandsequence = BandSequence(config)
        self.maskest = MaskEstimation(config, bands)

    def forward(self, mixture: Tensor) -> Tensor:
        config, num_samples = self.config, mixture.shape[-1]
        if num_samples > config.chunk_samples:
            raise ValueError(f"the network hears {config.chunk_samples} samples, not {num_samples}")
        chunk = F.pad(mixture.float(), (0, config.chunk_samples - num_samples))
        spectrogram = stft(
            chunk, n_fft=config.n_fft, hop_length=config.hop_length, normalized=False
        )  # [B, C, F, N]
        estimate = self._estimate(torch.view_as_real(spectrogram).movedim(-1, 2))
        stem = istft(
            torch.complex(estimate[:, :, 0], estimate[:, :, 1]),
            hop_length=config.hop_length,
            num_samples=config.chunk_samples,
            normalized=False,
        )  # [B, C, T]
        return stem[:, None, :, :num_samples]

    def _estimate(self, parts: Tensor) -> Tensor:
        """Spectrogram of the stem [B, C, 2, F, N] from that of the mixture."""
        mean = parts.mean(dim=(1, 3, 4), keepdim=True)  # [B, 1, 2, 1, 1]
        # The deviation of complex numbers: that of both parts together.
        std = parts.var(dim=(1, 3, 4), keepdim=True).sum(dim=2, keepdim=True).sqrt()
        x = (parts - mean) / (std + _STD_FLOOR)
        mask = self.maskest(self.bandsequence(self.bandsplit(x)))
        (real, imaginary), (mask_real, mask_imaginary) = x.unbind(2), mask.unbind(2)
        masked = torch.stack(
            [
                mask_real * real - mask_imaginary * imaginary,
                mask_real * imaginary + mask_imaginary * real,
            ],
            dim=2,
        )
        return torch.addcmul(mean, masked, std)


def _spec(config: BandSplitRnnConfig) -> ModelSpec:
    """What the network declares.

    The software that it was trained with adds up what chunks have in common, and divides by how
    many there are of them on average, chunk / step. With the published 5.6 it is now 5, now 6 of
    them, and the stem that much too quiet or too loud; so it was when its quality was measured.
    """
    overlap_samples = config.chunk_samples - config.step_samples
    return ModelSpec(
        family="bandsplit_rnn",
        stems=(config.run.stem,),
        residual_stem=counterpart_of(config.run.stem),
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=ChunkPolicy(
            chunk_samples=config.chunk_samples,
            overlap_samples=overlap_samples,
            margin_samples=overlap_samples,
            window="even",
            tail="left",
            fixed_length=True,
            max_chunk_samples=config.chunk_samples,
        ),
        scaling=None,
        paper="Luo and Yu (2022), arXiv:2209.15174",
    )


def _check(config: BandSplitRnnConfig) -> None:
    """Raises a ValueError for values that are each possible, but not together."""
    if config.n_fft % config.hop_length or config.hop_length > config.n_fft // 2:
        raise ValueError(f"an FFT over {config.n_fft} samples every {config.hop_length}")
    num_frames = config.chunk_samples // config.hop_length + 1
    if num_frames != config.num_frames:
        raise ValueError(f"a chunk has {num_frames} frames, the network {config.num_frames}")
