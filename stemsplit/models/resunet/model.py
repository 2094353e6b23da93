"""ResUNetDecouple+: a deep residual U-Net that turns phases as well as it scales magnitudes.

Kong, Cao, Liu, Choi, Wang, "Decoupling magnitude and phase estimation with deep ResUNet for music
source separation", ISMIR 2021. For each bin of each sub-band's spectrogram X it estimates a bounded
mask M, an angle ∠M and a residual Q: |Y| = relu(M |X| + Q), ∠Y = ∠X + ∠M (section 3).

Published networks have batch norms before and behind convolutions. The latter are folded into the
convolutions when weights are loaded; the former are a gain and an offset here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.stft import istft, stft
from stemsplit.models.resunet.config import (
    NUM_LEVELS,
    NUM_SUB_BANDS,
    TIME_HALVINGS,
    ResUnetConfig,
)
from stemsplit.models.resunet.layers import SubBands, Upsampling, residual_units
from stemsplit.models.spec import ModelSpec, counterpart_of

_NUM_MAPS = 4  # for M, for the cosine and the sine of ∠M, for Q
_MIN_POWER = 1e-10  # below, a bin has no phase and is left as it is
_MIN_LENGTH = 1e-10
_NUM_MIDDLE_BLOCKS = 4


class ResUnet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for any T >= 1."""

    def __init__(self, config: ResUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        if config.n_fft % (2 << NUM_LEVELS):
            raise ValueError(f"{config.n_fft // 2} bins, which cannot be halved {NUM_LEVELS} times")
        if config.hop_length > config.n_fft // 2:
            raise ValueError(f"an FFT over {config.n_fft} samples every {config.hop_length}")
        widths, separable = config.widths, config.is_mobile
        num_bands = config.num_channels * NUM_SUB_BANDS
        self.sub_bands = SubBands(NUM_SUB_BANDS)
        self.bin_norm = _BinAffine(config.n_fft // 2 + 1)
        self.encoders = nn.ModuleList(
            residual_units(outer, inner, separable=separable)
            for outer, inner in zip((num_bands, *widths), widths, strict=False)
        )
        self.middle = nn.Sequential(
            *(
                residual_units(widths[-1], widths[-1], separable=separable)
                for _ in range(1 if separable else _NUM_MIDDLE_BLOCKS)
            )
        )
        self.upsampling = nn.ModuleList(
            Upsampling(
                widths[min(level + 1, NUM_LEVELS - 1)],
                widths[level],
                factors=_factors(level),
                separable=separable,
            )
            for level in reversed(range(NUM_LEVELS))
        )
        self.decoders = nn.ModuleList(
            residual_units(2 * width, width, separable=separable) for width in reversed(widths)
        )
        self.last = residual_units(widths[0], widths[0], separable=separable)
        self.maps = nn.Conv2d(widths[0], len(config.stems) * _NUM_MAPS * num_bands, 1)

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        # Convolutions of the filter bank are no layers: they stay in float32 where autocast is on.
        with torch.autocast(mixture.device.type, enabled=False):
            # The spectrogram's ends are reflected: so many samples a sub-band must have.
            silence = self.sub_bands.missing(num_samples, self.config.n_fft // 2 + 1)
            bands = self.sub_bands.split(F.pad(mixture.float(), (0, silence)))
            spectrogram = stft(
                bands,
                n_fft=self.config.n_fft,
                hop_length=self.config.hop_length,
                normalized=False,
            ).transpose(-1, -2)  # [B, C, K, N, F]
            magnitude = _power(spectrogram).clamp_(min=_MIN_POWER).sqrt_()
        maps = self._run_layers(magnitude).float()  # [B, S, C, 4, K, N, F]
        with torch.autocast(mixture.device.type, enabled=False):
            stems = istft(
                _decoupled(spectrogram, magnitude, maps).transpose(-1, -2),
                hop_length=self.config.hop_length,
                num_samples=bands.shape[-1],
                normalized=False,
            )  # [B, S, C, K, L]
            return self.sub_bands.merge(stems)[..., :num_samples]  # [B, S, C, T]

    def _run_layers(self, magnitude: Tensor) -> Tensor:
        """Maps [B, S, C, 4, K, N, F] of magnitudes [B, C, K, N, F]; those of the last bin are 0."""
        num_frames = magnitude.shape[-2]
        x = self.bin_norm(magnitude.flatten(1, 2))[..., :-1]  # [B, CK, N, F - 1]
        x = F.pad(x, (0, 0, 0, -num_frames % (1 << TIME_HALVINGS)))
        skips: list[Tensor] = []
        for level, encode in enumerate(self.encoders):
            x = encode(x)
            skips.append(x)
            x = F.avg_pool2d(x, _factors(level))
        x = self.middle(x)
        for refine, decode in zip(self.upsampling, self.decoders, strict=True):
            x = decode(torch.cat([refine(x), skips.pop()], dim=1))
        maps: Tensor = self.maps(self.last(x))  # [B, S C 4 K, N, F - 1]
        maps = F.pad(maps[..., :num_frames, :], (0, 1))
        shape = (len(self.config.stems), self.config.num_channels, _NUM_MAPS, NUM_SUB_BANDS)
        return torch.unflatten(maps, 1, shape)


class _BinAffine(nn.Module):
    """A gain and an offset for each bin of [..., F]: a batch norm after training."""

    def __init__(self, num_bins: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_bins))
        self.bias = nn.Parameter(torch.zeros(num_bins))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias, x, self.weight)


def _decoupled(spectrogram: Tensor, magnitude: Tensor, maps: Tensor) -> Tensor:
    """Spectrograms [B, S, C, K, N, F] of the stems: section 3.3 of the paper.

    `spectrogram` and `magnitude` are the mixture's, [B, C, K, N, F], `maps` [B, S, C, 4, K, N, F].
    """
    mask, cosine, sine, residual = maps.unbind(3)
    scaled = torch.addcmul(torch.tanh(residual), magnitude[:, None], torch.sigmoid(mask))
    turn = torch.complex(torch.tanh(cosine), torch.tanh(sine))
    # The mixture's phase and the turn are divided by their lengths together.
    lengths = _power(turn).sqrt_().clamp_(min=_MIN_LENGTH).mul_(magnitude[:, None])
    return turn.mul_(spectrogram[:, None]).mul_(F.relu_(scaled).div_(lengths))


def _power(bins: Tensor) -> Tensor:
    return torch.view_as_real(bins).square().sum(-1)


def _factors(level: int) -> tuple[int, int]:
    """How many frames and bins of a level are one of the next."""
    return (2 if level < TIME_HALVINGS else 1, 2)


def _spec(config: ResUnetConfig) -> ModelSpec:
    segment = config.segment_samples
    (stem, *others) = config.stems
    return ModelSpec(
        family="resunet",
        stems=config.stems,
        residual_stem=None if others else counterpart_of(stem),
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=ChunkPolicy(
            chunk_samples=segment,
            overlap_samples=segment - segment // 2,
            window="cut",
            tail="whole",
            fixed_length=True,
        ),
        scaling=None,
        paper="Kong et al., ISMIR 2021, arXiv:2109.05418",
    )
