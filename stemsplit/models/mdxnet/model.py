"""MDX-Net: a U-Net over the spectrogram of the mixture, which gives that of one stem.

Kim, Choi, Chung, Lee, Jung, "KUIELab-MDX-Net: a two-stream neural network for music demixing"
(2021), arXiv:2111.12203: its "TFC-TDF-U-Net v2". Blocks mix time and frequency by convolutions and
then frequencies alone, by products that are the same for every frame. Skips are multiplied.

Feature maps are [B, D, N, F], frames before bins. Published networks have a batch norm behind
every layer but the last. Those behind convolutions are folded into them; the ones behind products
over the bins are a gain and an offset for each channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.blocks.channel_spectrogram import ChannelSpectrogram
from stemsplit.models.mdxnet.config import MdxNetConfig
from stemsplit.models.self_test import self_test_signals
from stemsplit.models.spec import ModelSpec, counterpart_of

_MAPS = 4  # real and imaginary part, left and right


class MdxNet(nn.Module):
    """Mixture [B, C, T] -> stem [B, 1, C, T], for any T >= 1.

    A T that does not give whole frames in every level is continued with silence.
    """

    def __init__(self, config: MdxNetConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self._spectrogram = ChannelSpectrogram(
            n_fft=config.n_fft, hop_length=config.hop_length, num_bins=config.num_bins
        )
        self.spec = _spec(config)
        growth, bins = config.growth, config.num_bins
        self.first_conv = Rescale(nn.Conv2d(_MAPS, growth, 1))
        self.encoding_blocks, self.ds = nn.ModuleList(), nn.ModuleList()
        width = growth
        for _ in range(config.num_levels):
            self.encoding_blocks.append(TfcTdf(config, width, bins))
            self.ds.append(Rescale(nn.Conv2d(width, width + growth, 2, 2)))
            width, bins = width + growth, bins // 2
        self.bottleneck_block = TfcTdf(config, width, bins)
        self.decoding_blocks, self.us = nn.ModuleList(), nn.ModuleList()
        for _ in range(config.num_levels):
            self.us.append(Rescale(nn.ConvTranspose2d(width, width - growth, 2, 2)))
            width, bins = width - growth, bins * 2
            self.decoding_blocks.append(TfcTdf(config, width, bins))
        self.final_conv = nn.Sequential(nn.Conv2d(width, _MAPS, 1))

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        fitted_length = self._spectrogram.fitted_length(
            num_samples, frame_step=1 << self.config.num_levels
        )
        padded = F.pad(mixture.float(), (0, fitted_length - num_samples))
        maps = self._spectrogram.analyze(padded)  # [B, 4, N, F]
        maps[..., : self.config.silent_bins] = 0
        stem = self._spectrogram.synthesize(self._estimate(maps), num_samples=fitted_length)
        return stem[:, None, :, :num_samples]  # [B, 1, C, T]

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """Spectrograms of stems of signals that are the same at each call; see `models.self_test`.

        [3, 4, N, F], of as few frames as the network has levels for, and one FFT has samples for.
        """
        cut, hop_length = 1 << self.config.num_levels, self.config.hop_length
        num_frames = max(2, -(-(self.config.n_fft // hop_length + 1) // cut)) * cut
        signals = self_test_signals(2, (num_frames - 1) * hop_length).to(device)
        return self._run_layers(self._spectrogram.analyze(signals))

    def _estimate(self, maps: Tensor) -> Tensor:
        """[B, 4, N, F] -> [B, 4, N, F], in float32 even where the layers are not."""
        estimate = self._run_layers(maps).float()
        if self.config.denoise:
            estimate = (estimate - self._run_layers(-maps).float()) / 2
        return estimate if self.config.gain == 1 else estimate * self.config.gain

    def _run_layers(self, maps: Tensor) -> Tensor:
        x = self.first_conv(maps)  # [B, D, N, F]
        skips: list[Tensor] = []
        for encode, halve in zip(self.encoding_blocks, self.ds, strict=True):
            x = encode(x)
            skips.append(x)
            x = halve(x)
        x = self.bottleneck_block(x)
        for double, decode in zip(self.us, self.decoding_blocks, strict=True):
            x = double(x)
            x *= skips.pop()
            x = decode(x)
        mapped: Tensor = self.final_conv(x)
        return mapped


class TfcTdf(nn.Module):
    """[B, D, N, F] -> [B, D, N, F]: convolutions, plus what products over the bins make of them."""

    def __init__(self, config: MdxNetConfig, width: int, bins: int) -> None:
        super().__init__()
        self.tfc = _Tfc(config, width)
        self.tdf = _tdf(config, width, bins)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.tfc(x)
        return y if self.tdf is None else y + self.tdf(y)


class _Tfc(nn.Module):
    """The nested names are the checkpoints'."""

    def __init__(self, config: MdxNetConfig, width: int) -> None:
        super().__init__()
        kernel = config.kernel_size
        self.H = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)
            )
            for _ in range(config.num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for convolve in self.H:
            x = convolve(x)
        return x


def _tdf(config: MdxNetConfig, width: int, bins: int) -> nn.Sequential | None:
    factor = config.bottleneck_factor
    if factor is None:
        return None
    hidden = [bins // factor] if factor else []
    layers: list[nn.Module] = []
    for num_inputs, num_outputs in zip([bins, *hidden], [*hidden, bins], strict=True):
        layers += [
            nn.Linear(num_inputs, num_outputs, bias=config.bias),
            ChannelAffine(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class Rescale(nn.Sequential):
    """A convolution that changes how many features, frames and bins there are, and ReLU."""

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__(convolution, nn.ReLU(inplace=True))


def _check(config: MdxNetConfig) -> None:
    cut = 1 << config.num_levels
    if config.num_bins % cut or config.num_frames % cut:
        raise ValueError(
            f"{config.num_frames} frames of {config.num_bins} bins cannot be halved "
            f"{config.num_levels} times"
        )
    if config.bottleneck_factor and config.num_bins // cut < config.bottleneck_factor:
        raise ValueError(
            f"the lowest level's {config.num_bins // cut} bins leave nothing when divided by the "
            f"bottleneck factor {config.bottleneck_factor}"
        )
    if config.kernel_size % 2 == 0:
        raise ValueError(f"a kernel of {config.kernel_size} bins has no middle")
    if (config.num_levels + 1) * config.growth > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {(config.num_levels + 1) * config.growth} channels")


def _spec(config: MdxNetConfig) -> ModelSpec:
    return ModelSpec(
        family="mdxnet",
        stems=(config.stem,),
        residual_stem=counterpart_of(config.stem),
        sample_rate=config.sample_rate,
        num_channels=2,
        chunking=_chunking(config),
        scaling=None,
        paper="Kim et al. (2021), arXiv:2111.12203",
    )


def _chunking(config: MdxNetConfig) -> ChunkPolicy:
    # The ends of what the network hears are reflections, not music: half a window of its output
    # on either side is discarded by the authors, and has little weight in the community's rule.
    read_samples = (config.num_frames - 1) * config.hop_length
    trim = config.n_fft // 2
    if read_samples <= 2 * trim:
        raise ValueError(
            f"{config.num_frames} frames leave nothing of an FFT over {config.n_fft} samples"
        )
    if config.hann_overlap:
        # As in the references, the hop is rounded down, not the overlap.
        hop_samples = max(1, int((1 - config.hann_overlap) * read_samples))
        return ChunkPolicy(
            chunk_samples=read_samples,
            overlap_samples=read_samples - hop_samples,
            margin_samples=trim,
            window="hann",
            tail="left",
            fixed_length=True,
            max_chunk_samples=read_samples,
        )
    return ChunkPolicy(
        chunk_samples=read_samples - 2 * trim,
        overlap_samples=0,
        context_samples=trim,
        tail="left",
        fixed_length=True,
        max_chunk_samples=read_samples - 2 * trim,
    )
