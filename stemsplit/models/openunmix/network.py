"""The network of one stem: how loud it is in each bin of a mixture.

Stöter, Uhlich, Liutkus, Mitsufuji, "Open-Unmix - A Reference Implementation for Music Source
Separation", JOSS 4(41), 2019. Modules are named as in published checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.openunmix.config import NetworkConfig, SpectrogramConfig


class FixedBatchNorm(nn.Module):
    """[rows, D] -> [rows, D]: batch normalisation with the statistics that training has left."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class StemNetwork(nn.Module):
    """Magnitudes [B, C, F, N] of a mixture -> those of one stem, in three steps.

    The first and the last take frames one by one, so any range of frames will do; what they take
    and give is large. The LSTM between them looks as far as there are frames, at something small.
    """

    def __init__(self, config: NetworkConfig, spectrogram: SpectrogramConfig) -> None:
        super().__init__()
        hidden, num_channels = config.hidden_size, spectrogram.num_channels
        self.num_heard_bins = config.num_heard_bins
        self.num_channels = num_channels
        self.input_mean = nn.Parameter(torch.zeros(config.num_heard_bins))
        self.input_scale = nn.Parameter(torch.ones(config.num_heard_bins))
        self.fc1 = nn.Linear(config.num_heard_bins * num_channels, hidden, bias=False)
        self.bn1 = FixedBatchNorm(hidden)
        self.lstm = nn.LSTM(
            hidden,
            hidden // 2 if config.bidirectional else hidden,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
        )
        self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.bn2 = FixedBatchNorm(hidden)
        self.fc3 = nn.Linear(hidden, spectrogram.num_bins * num_channels, bias=False)
        self.bn3 = FixedBatchNorm(spectrogram.num_bins * num_channels)
        self.output_scale = nn.Parameter(torch.ones(spectrogram.num_bins))
        self.output_mean = nn.Parameter(torch.ones(spectrogram.num_bins))

    def encode(self, magnitudes: Tensor) -> Tensor:
        """Features [N, B, H] of the mixture's frames."""
        heard = magnitudes[..., : self.num_heard_bins, :].permute(3, 0, 1, 2)  # [N, B, C, F']
        x = (heard + self.input_mean) * self.input_scale
        x = self.bn1(self.fc1(x.flatten(2).flatten(0, 1)))  # [N * B, H]
        return torch.tanh(torch.unflatten(x, 0, heard.shape[:2]))  # [N, B, H]

    def relate(self, features: Tensor) -> Tensor:
        """Features [N, B, 2H] that know of all frames of the track, from features [N, B, H]."""
        y, _ = self.lstm(features)
        return torch.cat([features, y], dim=-1)

    def decode(self, features: Tensor, magnitudes: Tensor) -> Tensor:
        """The stem's magnitudes [B, C, F, N] in the frames that both arguments are of.

        `features` are [N, B, 2H], `magnitudes` the mixture's [B, C, F, N].
        """
        x = F.relu(self.bn2(self.fc2(features.flatten(0, 1))))  # [N * B, H]
        x = self.bn3(self.fc3(x))  # [N * B, C * F]
        x = x.reshape(*features.shape[:2], self.num_channels, -1)  # [N, B, C, F]
        x = F.relu(x * self.output_scale + self.output_mean)
        return x.permute(1, 2, 3, 0) * magnitudes  # [B, C, F, N]
