"""HiFi++: a vocoder that hears the mixture. Andreev et al. (2022), arXiv:2203.13086.

A U-Net makes features of the mixture's mel bands, and a vocoder makes several waveforms of these
(section 3.1). A U-Net of waveforms brings in the mixture itself, another of their spectrograms
masks them, and they come together to the speech.

As for FFC-SE of the same authors, their script brings a file's peak to 0.95, and its length to the
next power of two by silence.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.mel import mel_filters
from stemsplit.dsp.stft import istft, stft
from stemsplit.models.blocks.local_stream import LocalModule
from stemsplit.models.hifi_plusplus.config import HifiConfig
from stemsplit.models.hifi_plusplus.layers import (
    DILATIONS,
    KERNEL_SIZES,
    KERNELS,
    RATES,
    SCALES,
    ImageUNet,
    Vocoder,
    WaveformUNet,
)
from stemsplit.models.spec import InputScaling, ModelSpec

_SAMPLE_RATE = 16000
_N_FFT, _HOP = 1024, 256
_NUM_BINS, _NUM_MELS, _NUM_FEATURES = 513, 80, 128
_STEP_FRAMES = 16
_LEAST_POWER, _LEAST_MEL = 1e-9, 1e-5
_PEAK = 0.95
_CHUNK_SECONDS = 40


class SpectralUNet(nn.Module):
    """Logarithmic mel bands [B, 80, N] -> features [B, 128, N], for N a multiple of 16."""

    def __init__(self, config: HifiConfig) -> None:
        super().__init__()
        width = config.spectral_widths[0]
        self.learnable_mel2linspec = nn.Conv1d(_NUM_MELS, _NUM_BINS, 1)
        self.net = ImageUNet(3, width, config.spectral_widths, config.spectral_depth)
        self.post_conv_2d = nn.Sequential(nn.Conv2d(width, 1, 1))
        self.post_conv_1d = nn.Sequential(nn.Conv1d(_NUM_BINS, _NUM_FEATURES, 1))

    def forward(self, mels: Tensor) -> Tensor:
        spread = bins_of_mels().to(mels) @ mels  # [B, F, N]
        learnt = self.learnable_mel2linspec(mels).to(spread)
        heights = torch.linspace(0, 1, _NUM_BINS).to(spread)[:, None].expand_as(spread)
        image = self.net(torch.stack((spread, heights, learnt), dim=1))  # [B, D, F, N]
        features: Tensor = self.post_conv_1d(self.post_conv_2d(image)[:, 0])
        return features


class SpectralMask(nn.Module):
    """Waveforms [B, D, T] -> the same with masked spectrograms, for T of 16 hops or a multiple."""

    def __init__(self, config: HifiConfig) -> None:
        super().__init__()
        width = config.num_wave_channels
        self.net = ImageUNet(width, width, config.mask_widths, config.mask_depth)

    def forward(self, waveforms: Tensor) -> Tensor:
        waveforms = waveforms.float()
        spectrogram = stft(waveforms, n_fft=_N_FFT, hop_length=_HOP, normalized=False)
        inner = spectrogram[..., 1:, 1:]  # neither 0 Hz nor the first frame is masked
        power = inner.real.square() + inner.imag.square()
        masks = F.softplus(self.net(torch.sqrt(power + _LEAST_POWER)).float())
        masks = F.pad(masks, (1, 0, 1, 0), value=1.0)  # [B, D, F, N]
        return istft(
            spectrogram * masks,
            hop_length=_HOP,
            num_samples=waveforms.shape[-1],
            normalized=False,
        )


class HifiPlusPlus(LocalModule):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T]."""

    def __init__(self, config: HifiConfig) -> None:
        super().__init__()
        self.config = config
        width = config.num_wave_channels
        self.spectralunet = SpectralUNet(config)
        self.hifi = Vocoder(config.num_channels)
        self.waveunet_conv_pre = nn.Conv1d(1 + width, width, 1)
        self.waveunet = WaveformUNet(width, config.wave_widths, config.wave_depth)
        self.waveunet_skip_connect = nn.Conv1d(width, width, 1)
        self.spectralmasknet = SpectralMask(config)
        self.spectralmasknet_skip_connect = nn.Conv1d(width, width, 1)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)
        self.step_samples = _STEP_FRAMES * _HOP
        self.least_samples = self.step_samples
        self.reach_samples = -(-_reach_samples(config) // self.step_samples) * self.step_samples
        self.spec = _spec(look_ahead=self.reach_samples)

    def enhanced(self, mixture: Tensor) -> Tensor:
        """Speech [B, 1, T] of a part of a track [B, 1, T], as if the track were no longer."""
        num_samples = mixture.shape[-1]
        mixture = F.pad(mixture, (0, -num_samples % self.step_samples))
        waveforms = self.hifi(self.spectralunet(log_mels(mixture[:, 0])))  # [B, D, T]
        heard = self.waveunet_conv_pre(torch.cat((waveforms, mixture.to(waveforms)), dim=1))
        waveforms = self.waveunet(heard) + self.waveunet_skip_connect(heard)
        masked = self.spectralmasknet(waveforms)
        waveforms = masked + self.spectralmasknet_skip_connect(waveforms)
        speech: Tensor = torch.tanh(self.conv_post(waveforms).float())
        return speech[..., :num_samples]


def log_mels(signal: Tensor) -> Tensor:
    """Natural logarithms of mel bands [B, 80, N] of a signal [B, T], for T of N hops."""
    around = (_N_FFT - _HOP) // 2
    padded = F.pad(signal[:, None], (around, around), mode="reflect")[:, 0]
    frames = padded.unfold(-1, _N_FFT, _HOP)  # [B, N, n_fft]
    window = torch.hann_window(_N_FFT, dtype=signal.dtype, device=signal.device)
    spectrogram = torch.fft.rfft(frames * window).transpose(1, 2)  # [B, F, N]
    power = spectrogram.real.square() + spectrogram.imag.square()
    filters = mel_filters(num_mels=_NUM_MELS, n_fft=_N_FFT, sample_rate=_SAMPLE_RATE).to(power)
    with torch.autocast(signal.device.type, enabled=False):
        mels = filters @ torch.sqrt(power + _LEAST_POWER)
    return torch.log(mels.clamp(min=_LEAST_MEL))


def bins_of_mels() -> Tensor:
    """What brings mel bands back to bins [F, M]: straight lines from where one band begins to where
    the next one does."""
    filters = mel_filters(num_mels=_NUM_MELS, n_fft=_N_FFT, sample_rate=_SAMPLE_RATE)
    heard = filters > 0
    first = heard.int().argmax(dim=1).tolist()
    end = _NUM_BINS - int(heard[-1].flip(0).int().argmax())
    lines = torch.zeros(_NUM_MELS + 1, _NUM_BINS, dtype=torch.float64)
    for band, (start, stop) in enumerate(zip(first, [*first[1:], end], strict=True)):
        rising = torch.linspace(0, 1, stop - start + 1, dtype=torch.float64)
        lines[band, start : stop + 1] = 1 - rising
        lines[band + 1, start : stop + 1] = rising
    return lines[1:].T.float()


def _reach_samples(config: HifiConfig) -> int:
    """How far to either side of a sample the network hears at most."""
    reach = 3 * _N_FFT + _STEP_FRAMES * _HOP + KERNELS[1]
    for widths, depth, num_axes, sample_step in (
        (config.spectral_widths, config.spectral_depth, 2, _HOP),
        (config.wave_widths, config.wave_depth, 1, 1),
        (config.mask_widths, config.mask_depth, 2, _HOP),
    ):
        half, scale = KERNELS[num_axes] // 2, SCALES[num_axes]
        steps = 2 * half
        for level in range(len(widths)):
            ways = 1 if level == len(widths) - 1 else 2
            steps += (ways * depth * half + 2) * scale**level
        reach += steps * sample_step
    step = _HOP
    for rate in RATES:
        reach += 2 * step
        step //= rate
        half = KERNEL_SIZES[-1] // 2
        reach += step * sum(half * (dilation + 1) for dilation in DILATIONS)
    return reach


def _spec(*, look_ahead: int) -> ModelSpec:
    return ModelSpec(
        family="hifi_plusplus",
        stems=("speech",),
        residual_stem="noise",
        sample_rate=_SAMPLE_RATE,
        num_channels=1,
        chunking=ChunkPolicy.in_sequence(
            _CHUNK_SECONDS * _SAMPLE_RATE, look_ahead_samples=look_ahead
        ),
        scaling=InputScaling(level="peak", target=_PEAK, centred=False, floor=0.0),
        paper="Andreev et al. (2022), arXiv:2203.13086",
    )
