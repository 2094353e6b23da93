"""Maskers that cut the frames into segments and go two ways: within them, and across them.

DPRNN: Luo, Chen and Yoshioka, "Dual-path RNN: efficient long sequence modeling for time-domain
single-channel speech separation" (2020), arXiv:1910.06379. DPTNet: Chen, Mao and Liu, "Dual-path
transformer network: direct context-aware modeling for end-to-end monaural speech separation"
(2020), arXiv:2007.13975.

Segments have the axes [B, D, K, L]: K frames in each of L segments.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.speech_tasnet.config import DprnnConfig, DptNetConfig, DualPathConfig
from stemsplit.models.speech_tasnet.masker_layers import activate, new_norm

_RNNS: dict[str, Callable[..., nn.Module]] = {"LSTM": nn.LSTM, "GRU": nn.GRU}


class DprnnMasker(nn.Module):
    """Features [B, D, N] -> masks [B, S, D, N]. The nested names are the checkpoints'."""

    def __init__(self, config: DprnnConfig) -> None:
        super().__init__()
        self._config = config
        width = config.bottleneck_channels
        self.bottleneck = nn.Sequential(
            new_norm(config.norm, config.num_features), nn.Conv1d(config.num_features, width, 1)
        )
        self.net = nn.Sequential(*(_RecurrentBlock(config) for _ in range(config.num_repeats)))
        self.first_out = _to_speakers(width, config.num_speakers)
        self.net_out = nn.Sequential(nn.Conv1d(width, width, 1), nn.Tanh())
        self.net_gate = nn.Sequential(nn.Conv1d(width, width, 1), nn.Sigmoid())
        self.mask_net = nn.Conv1d(width, config.num_features, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        num_items, _, num_frames = features.shape
        segments = _segments(self.bottleneck(features), self._config)
        speakers = _by_speaker(self.first_out(self.net(segments)), self._config.num_speakers)
        x = _joined(speakers, num_frames, self._config)  # [B * S, D, N]
        scores: Tensor = self.mask_net(self.net_out(x) * self.net_gate(x))
        masks = torch.unflatten(scores, 0, (num_items, -1))  # [B, S, D, N]
        return activate(masks, self._config.mask_activation)


class DptNetMasker(nn.Module):
    """Features [B, D, N] -> masks [B, S, D, N]. The nested names are the checkpoints'."""

    def __init__(self, config: DptNetConfig) -> None:
        super().__init__()
        self._config = config
        width = config.num_features
        self.in_norm = new_norm(config.norm, width)
        self.layers = nn.Sequential(*(_TransformerBlock(config) for _ in range(config.num_repeats)))
        self.first_out = _to_speakers(width, config.num_speakers)
        self.net_out = nn.Sequential(nn.Conv1d(width, width, 1), nn.Tanh())
        self.net_gate = nn.Sequential(nn.Conv1d(width, width, 1), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        num_items, _, num_frames = features.shape
        config = self._config
        segments = self.layers(_segments(self.in_norm(features), config))  # [B, D, K, L]
        speakers = _by_speaker(self.first_out(segments), config.num_speakers)
        x = _joined(speakers, num_frames, config)  # [B * S, D, N]
        x = x * (config.segment_hop / config.segment_frames)
        masks = torch.unflatten(self.net_out(x) * self.net_gate(x), 0, (num_items, -1))
        return activate(masks, config.mask_activation)  # [B, S, D, N]


class _Recurrent(nn.Module):
    """An RNN [B, T, D] -> [B, T, D']."""

    def __init__(self, config: DprnnConfig, *, bidirectional: bool) -> None:
        super().__init__()
        self.rnn = _RNNS[config.rnn_type](
            config.bottleneck_channels,
            config.hidden_size,
            num_layers=config.num_layers,
            bidirectional=bidirectional,
            batch_first=True,
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rnn(x)[0]
        return y


class _RecurrentBlock(nn.Module):
    """Segments [B, D, K, L] -> the same, with what each way adds; norms are over all of them."""

    def __init__(self, config: DprnnConfig) -> None:
        super().__init__()
        width, hidden = config.bottleneck_channels, config.hidden_size
        self.intra_RNN = _Recurrent(config, bidirectional=True)
        self.intra_linear = nn.Linear(2 * hidden, width)
        self.intra_norm = new_norm(config.norm, width)
        self.inter_RNN = _Recurrent(config, bidirectional=config.bidirectional)
        self.inter_linear = nn.Linear((1 + config.bidirectional) * hidden, width)
        self.inter_norm = new_norm(config.norm, width)

    def forward(self, x: Tensor) -> Tensor:
        within = _within_segments(x, lambda rows: self.intra_linear(self.intra_RNN(rows)))
        x = x + self.intra_norm(within)
        across = _across_segments(x, lambda rows: self.inter_linear(self.inter_RNN(rows)))
        y: Tensor = x + self.inter_norm(across)
        return y


class _TransformerBlock(nn.ModuleList):
    """Segments [B, D, K, L] -> [B, D, K, L]; norms are over each row alone."""

    def __init__(self, config: DptNetConfig) -> None:
        ways = (True, config.bidirectional)
        super().__init__(_TransformerLayer(config, bidirectional=way) for way in ways)

    def forward(self, x: Tensor) -> Tensor:
        within, across = self
        return _across_segments(_within_segments(x, within), across)


class _TransformerLayer(nn.Module):
    """Rows [B, T, D] -> [B, T, D]: attention, and an LSTM in place of positions and of a layer."""

    def __init__(self, config: DptNetConfig, *, bidirectional: bool) -> None:
        super().__init__()
        width, hidden = config.num_features, config.hidden_size
        self.mha = nn.MultiheadAttention(width, config.num_heads, batch_first=True)
        self.recurrent = nn.LSTM(width, hidden, bidirectional=bidirectional, batch_first=True)
        self.linear = nn.Linear((1 + bidirectional) * hidden, width)
        self.norm_mha = new_norm(config.norm, width)
        self.norm_ff = new_norm(config.norm, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mha(x, x, x, need_weights=False)[0]
        x = self.norm_mha(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.linear(F.relu(self.recurrent(x)[0]))
        y: Tensor = self.norm_ff(x.transpose(1, 2)).transpose(1, 2)
        return y


def _to_speakers(width: int, num_speakers: int) -> nn.Module:
    return nn.Sequential(nn.PReLU(), nn.Conv2d(width, num_speakers * width, 1))


def _by_speaker(x: Tensor, num_speakers: int) -> Tensor:
    """[B, S * D, K, L] -> [B * S, D, K, L]."""
    return torch.unflatten(x, 1, (num_speakers, -1)).flatten(0, 1)


def _segments(x: Tensor, config: DualPathConfig) -> Tensor:
    """Frames [B, D, N], with a segment of silence on both sides, as segments [B, D, K, L]."""
    length = config.segment_frames
    padded = F.pad(x, (length, length))
    return padded.unfold(-1, length, config.segment_hop).transpose(2, 3)


def _joined(segments: Tensor, num_frames: int, config: DualPathConfig) -> Tensor:
    """Segments [B, D, K, L] added up where they overlap, without the silence: [B, D, N]."""
    length = config.segment_frames
    joined = F.fold(
        segments.float().flatten(1, 2),  # [B, D * K, L]
        output_size=(num_frames, 1),
        kernel_size=(length, 1),
        padding=(length, 0),
        stride=(config.segment_hop, 1),
    )
    return joined.squeeze(-1)


def _within_segments(x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """`layer` on rows [B * L, K, D], which are the segments."""
    rows = x.permute(0, 3, 2, 1).flatten(0, 1)
    return torch.unflatten(layer(rows), 0, (len(x), -1)).permute(0, 3, 2, 1)


def _across_segments(x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """`layer` on rows [B * K, L, D], which have one frame of each segment."""
    rows = x.permute(0, 2, 3, 1).flatten(0, 1)
    return torch.unflatten(layer(rows), 0, (len(x), -1)).permute(0, 3, 1, 2)
