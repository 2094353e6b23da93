"""The hybrid U-Net: one branch over the spectrogram, one over the waveform, added at the end.

Défossez (2021), "Hybrid Spectrogram and Waveform Source Separation", arXiv:2111.03600. What lies
at the bottom is left to the families: nothing (HDemucs) or a transformer (HTDemucs).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.hybrid_config import UNetConfig, plan_levels
from stemsplit.models.blocks.hybrid_layers import DecoderLayer, EncoderLayer, ScaledEmbedding
from stemsplit.models.blocks.short_sounds import needs_float64
from stemsplit.models.blocks.spectrogram import analyze, synthesize
from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.self_test import self_test_signals
from stemsplit.models.spec import ModelSpec

_PROBE_FRAMES = 4


class HybridUNet(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], float32, any T >= 1.

    `tencoder` and `tdecoder` are the waveform branch; they end where the branches merge.
    """

    spec: ModelSpec

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        self.tencoder = nn.ModuleList()
        self.tdecoder = nn.ModuleList()
        self.freq_emb: ScaledEmbedding | None = None
        self._merging_level: int | None = None
        for index, level in enumerate(plan_levels(config)):
            self.innermost = level.main
            self.encoder.append(EncoderLayer(level.main))
            self.decoder.insert(0, DecoderLayer(level.main))
            if level.waveform is not None:
                self.tencoder.append(EncoderLayer(level.waveform))
                self.tdecoder.insert(0, DecoderLayer(level.waveform))
                self._merging_level = index if level.waveform.bare else None
            if index == 0 and config.embedding_weight:
                self.freq_emb = ScaledEmbedding(
                    level.num_bins, level.main.channels, scale=config.embedding_scale
                )

    @property
    def branches_merge(self) -> bool:
        """True if the network is deep enough for the spectrogram to end up with a single bin."""
        return self._merging_level is not None

    def bottom(self, x: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """What the decoders start from, given what the encoders gave. Must be overridden."""
        raise NotImplementedError

    def forward(self, mixture: Tensor) -> Tensor:
        config = self.config
        mixture = mixture.float()
        # Spectrograms and statistics are taken in float32 even where autocast is on.
        x, mean, std = standardize(
            analyze(mixture, n_fft=config.n_fft, zero_padded=config.zero_padded)
        )  # [B, 2C, F, N]
        # Twice the bits cost nothing here; `needs_float64` tells where they count.
        heard = mixture.double() if mixture.device.type == "cpu" else mixture
        waveform, waveform_mean, waveform_std = standardize(heard)  # [B, C, T]

        x, waveform = self._run_branches(x, waveform)

        stems_apart = (len(config.stems), -1)
        x = torch.unflatten(x.float(), 1, stems_apart)  # [B, S, 2C, F, N]
        waveform = torch.unflatten(waveform.float(), 1, stems_apart)  # [B, S, C, T]
        stems = torch.addcmul(
            waveform_mean[:, None].float(), waveform, waveform_std[:, None].float()
        )
        # Stem by stem, so that their spectrograms are not all there several times at once.
        for index in range(len(config.stems)):
            stems[:, index] += synthesize(
                torch.addcmul(mean, x[:, index], std),
                num_samples=mixture.shape[-1],
                zero_padded=config.zero_padded,
            )
        return stems

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """What all layers together make of the signals of the self-test, a row for each: [3, ...].

        `device` is the one that the network is on.
        """
        signals = self_test_signals(
            self.config.num_channels, _PROBE_FRAMES * self.config.n_fft // 4
        ).to(device)  # [3, C, T]
        spectrograms = analyze(
            signals, n_fft=self.config.n_fft, zero_padded=self.config.zero_padded
        )
        branches = self._run_branches(standardize(spectrograms).values, standardize(signals).values)
        return torch.cat([branch.flatten(1) for branch in branches], dim=1)

    def _run_branches(self, x: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches, [B, 2C, F, N] and [B, C, T], down and up again with S times the channels.

        The waveform branch merges into the other where its layer is bare, and parts from it at
        the same level on the way up.
        """
        skips: list[Tensor] = []
        lengths: list[int] = []
        waveform_skips: list[Tensor] = []
        waveform_lengths: list[int] = []
        in_float64 = needs_float64(waveform)  # [B]
        for level, encode in enumerate(self.encoder):
            lengths.append(x.shape[-1])
            merging = None
            if level < len(self.tencoder):
                waveform_lengths.append(waveform.shape[-1])
                waveform = _encode(self.tencoder[level], waveform, in_float64=in_float64)
                waveform_skips.append(waveform.float())
                merging = waveform_skips[-1] if level == self._merging_level else None
            x = encode(x, merging)
            if level == 0 and self.freq_emb is not None:
                x += self.config.embedding_weight * self.freq_emb(x.shape[2])
            skips.append(x)

        x, waveform = self.bottom(x, waveform.float())

        for level, decode in zip(reversed(range(len(self.decoder))), self.decoder, strict=True):
            x, before_stride = decode(x, skips.pop(), lengths.pop())
            if level < len(self.tdecoder):
                if level == self._merging_level:
                    waveform = before_stride[:, :, 0]  # the only bin: [B, D, N]
                decode_waveform = self.tdecoder[-1 - level]
                waveform, _ = decode_waveform(
                    waveform, waveform_skips.pop(), waveform_lengths.pop()
                )
        return x, waveform


def _encode(layer: nn.Module, waveform: Tensor, *, in_float64: Tensor | None) -> Tensor:
    """An encoder layer of a waveform [B, D, T], whose result is float64 if that of any item is."""
    y: Tensor = layer(waveform.float())
    if in_float64 is not None and in_float64.any():
        y = y.double()
        y[in_float64] = cast(EncoderLayer, layer).exactly(waveform[in_float64])
    return y
