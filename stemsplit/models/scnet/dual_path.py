"""The middle of SCNet: LSTMs along frequency and along time. Tong et al. (2024), section 2.3.

Every other layer sees the Fourier transform of the feature maps along time, where what repeats at
a steady pace is concentrated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DualPathLayer(nn.Module):
    """[B, D, F, N] -> [B, D, F, N]: one LSTM reads each frame, another one each bin."""

    def __init__(self, channels: int, *, expand: int) -> None:
        super().__init__()
        hidden = channels * expand
        self.lstm_layers = nn.ModuleList(
            nn.LSTM(channels, hidden, bidirectional=True, batch_first=True) for _ in range(2)
        )
        self.linear_layers = nn.ModuleList(nn.Linear(2 * hidden, channels) for _ in range(2))
        self.norm_layers = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._run(0, x.transpose(2, 3)).transpose(2, 3)
        return x + self._run(1, x)

    def _run(self, path: int, x: Tensor) -> Tensor:
        """[B, D, rows, steps] -> the same: the LSTM reads each row's steps."""
        y = self.norm_layers[path](x).permute(0, 2, 3, 1)  # [B, rows, steps, D]
        grid = y.shape[:2]
        y, _ = self.lstm_layers[path](y.flatten(0, 1))  # [B * rows, steps, 2 hidden]
        y = torch.unflatten(self.linear_layers[path](y), 0, grid)  # [B, rows, steps, D]
        return y.permute(0, 3, 1, 2)


class DualPathNetwork(nn.Module):
    """An even number of layers [B, D, F, N] -> [B, D, F, N]; N must be even."""

    def __init__(self, channels: int, *, num_layers: int, expand: int) -> None:
        super().__init__()
        self.dp_modules = nn.ModuleList(
            DualPathLayer(channels * (1 + index % 2), expand=expand) for index in range(num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for index, layer in enumerate(self.dp_modules):
            y = layer(x).float()  # FFTs of any length exist in float32 only
            x = _to_spectrum(y) if index % 2 == 0 else _from_spectrum(y)
        return x


def _to_spectrum(x: Tensor) -> Tensor:
    """[B, D, F, N] -> [B, 2D, F, N/2 + 1]: real parts, then imaginary parts."""
    spectrum = torch.fft.rfft(x, dim=3, norm="ortho")
    return torch.cat([spectrum.real, spectrum.imag], dim=1)


def _from_spectrum(x: Tensor) -> Tensor:
    """[B, 2D, F, N/2 + 1] -> [B, D, F, N], for even N."""
    real, imaginary = x.chunk(2, dim=1)
    signal: Tensor = torch.fft.irfft(torch.complex(real, imaginary), dim=3, norm="ortho")
    return signal
