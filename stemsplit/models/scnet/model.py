"""SCNet: a network on the spectrogram that compresses frequencies the more the higher they are.

Tong et al., "SCNet: Sparse Compression Network for Music Source Separation", ICASSP 2024,
arXiv:2401.13276.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.scnet.config import SCNetConfig
from stemsplit.models.scnet.dual_path import DualPathNetwork
from stemsplit.models.scnet.layers import DecoderBlock, EncoderBlock
from stemsplit.models.scnet.sub_bands import divide_levels

_MASK_CHANNELS = 64


class SCNet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for any T of at least 1."""

    def __init__(self, config: SCNetConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = config.run.spec(
            family="scnet",
            num_channels=config.num_audio_channels,
            paper="Tong et al. (2024), arXiv:2401.13276",
        )
        num_bins, num_levels = config.n_fft // 2 + 1, len(config.widths) - 1
        num_outputs = config.widths[0] * len(config.run.stems)
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        levels = divide_levels(num_bins, config.bands, num_levels=num_levels)
        for index, bands in enumerate(levels):
            outer, inner = config.widths[index : index + 2]
            self.encoder.append(EncoderBlock(config, outer, inner, bands))
            self.decoder.insert(0, DecoderBlock(inner, outer if index else num_outputs, bands))
        self.separation_net = DualPathNetwork(
            config.widths[-1], num_layers=config.num_dual_path_layers, expand=config.expand
        )
        if config.masked:
            # A learned number for each bin, which is added to the spectrogram.
            self.pos_embed_f = nn.Parameter(torch.zeros(1, config.widths[0], num_bins, 1))
            self.mask_layer = nn.Sequential(
                nn.Conv2d(num_outputs, _MASK_CHANNELS, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(_MASK_CHANNELS, num_outputs, 1),
                nn.Tanh(),
            )

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        missing = self._padded_length(num_samples) - num_samples
        spectrogram = self._stft(F.pad(mixture.float(), (0, missing)))  # [B, C, F, N]
        parts = torch.view_as_real(spectrogram).movedim(-1, 2).flatten(1, 2)  # [B, 2C, F, N]
        if self.config.masked:
            masks = self._complex(self.mask_layer(self._run_layers(parts + self.pos_embed_f)))
            estimates = masks * spectrogram[:, None]
        elif self.config.standardize_spectrogram:
            scaled = standardize(parts)
            estimates = self._complex(self._run_layers(scaled.values) * scaled.std + scaled.mean)
        else:
            estimates = self._complex(self._run_layers(parts))
        return self._istft(estimates, num_samples=num_samples)  # [B, S, C, T]

    def _run_layers(self, x: Tensor) -> Tensor:
        """[B, 2C, F, N] -> [B, S * 2C, F, N]."""
        x = x.to(next(self.parameters()).dtype)
        skips: list[Tensor] = []
        for encode in self.encoder:
            x, skip = encode(x)
            skips.append(skip)
        x = self.separation_net(x)
        for decode in self.decoder:
            x = decode(x, skips.pop())
        return x

    def _complex(self, parts: Tensor) -> Tensor:
        """[B, S * 2C, F, N] -> [B, S, C, F, N], complex."""
        shape = (len(self.spec.stems), self.spec.num_channels, 2)
        grouped = torch.unflatten(parts.float(), 1, shape)  # [B, S, C, 2, F, N]
        return torch.complex(grouped[:, :, :, 0], grouped[:, :, :, 1])

    def _padded_length(self, num_samples: int) -> int:
        """The next odd number of hops, so that the number of frames is even.

        There is always some silence at the end. Shorter inputs than the STFT can reflect at their
        ends, on which the published network fails, get more of it.
        """
        hop = self.config.hop_length
        num_hops = max(num_samples, self.config.n_fft // 2) // hop + 1
        return hop * (num_hops + 1 - num_hops % 2)

    def _window(self, device: torch.device) -> Tensor:
        # The original was trained without a window, which means with a rectangular one.
        make = torch.hann_window if self.config.masked else torch.ones
        return make(self.config.n_fft, device=device)

    def _stft(self, audio: Tensor) -> Tensor:
        """Complex spectrogram [B, C, F, N] of audio [B, C, T]."""
        spectrogram = torch.stft(
            audio.flatten(0, 1),  # [B * C, T]
            self.config.n_fft,
            self.config.hop_length,
            window=self._window(audio.device),
            normalized=self.config.unitary,
            return_complex=True,
        )
        return torch.unflatten(spectrogram, 0, audio.shape[:2])  # [B, C, F, N]

    def _istft(self, spectrogram: Tensor, *, num_samples: int) -> Tensor:
        """Audio [B, S, C, T] of complex spectrograms [B, S, C, F, N]."""
        audio = torch.istft(
            spectrogram.flatten(0, 2),  # [B * S * C, F, N]
            self.config.n_fft,
            self.config.hop_length,
            window=self._window(spectrogram.device),
            normalized=self.config.unitary,
            length=num_samples,
        )
        return torch.unflatten(audio, 0, spectrogram.shape[:3])  # [B, S, C, T]


def has_masks(tensor_names: Collection[str]) -> bool:
    """True if a checkpoint with these tensors is the masked variant."""
    return "pos_embed_f" in tensor_names
