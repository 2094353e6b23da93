"""Layers that look far along time: a bidirectional LSTM and a local attention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NUM_HEADS = 4
_NUM_DECAYS = 4
# A position does not attend to itself: the residual path around the layer has it already.
_SELF_SCORE = -100.0


class BLSTM(nn.Module):
    """A bidirectional LSTM [B, D, T] -> [B, D, T] with a projection back to D features.

    With `max_steps`, longer inputs are cut into windows of that many steps which overlap by half;
    of each overlap, each window gives the half that is nearer to its own middle.
    """

    def __init__(
        self, dim: int, *, num_layers: int, max_steps: int | None = None, skip: bool = False
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, num_layers=num_layers, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * dim, dim)
        self.max_steps = max_steps
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        y = x.transpose(1, 2)  # [B, T, D]
        if self.max_steps is not None and y.shape[1] > self.max_steps:
            y = self._in_windows(y, self.max_steps)
        else:
            y = self._run(y)
        y = y.transpose(1, 2)  # [B, D, T]
        return x + y if self.skip else y

    def _run(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x)  # [B, T, 2D]
        projected: Tensor = self.linear(y)  # [B, T, D]
        return projected

    def _in_windows(self, x: Tensor, width: int) -> Tensor:
        num_items, num_steps, dim = x.shape
        hop = width // 2
        num_windows = math.ceil(num_steps / hop)
        padded = F.pad(x, (0, 0, 0, (num_windows - 1) * hop + width - num_steps))
        windows = padded.unfold(1, width, hop).transpose(2, 3)  # [B, windows, width, D]
        y = self._run(windows.reshape(-1, width, dim))  # [B * windows, width, D]
        y = y.reshape(num_items, num_windows, width, dim)
        margin = hop // 2
        head = y[:, 0, :margin]  # nothing comes before the first window
        middles = y[:, :, margin : width - margin].flatten(1, 2)  # [B, windows * hop, D]
        tail = y[:, -1, width - margin :]
        return torch.cat([head, middles, tail], dim=1)[:, :num_steps]  # [B, T, D]


class LocalState(nn.Module):
    """Attention [B, D, T] -> [B, D, T], residual, in which distance costs.

    There is no positional embedding. Each query decides by how much scores fall off with the
    distance to the key, as a sum of `_NUM_DECAYS` slopes. Défossez (2021), arXiv:2111.03600,
    section 3.2.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % _NUM_HEADS:
            raise ValueError(f"attention over {dim} features does not divide by {_NUM_HEADS} heads")
        self.content = nn.Conv1d(dim, dim, 1)
        self.query = nn.Conv1d(dim, dim, 1)
        self.key = nn.Conv1d(dim, dim, 1)
        self.query_decay = nn.Conv1d(dim, _NUM_HEADS * _NUM_DECAYS, 1)
        self.proj = nn.Conv1d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, content, decays = (
            layer(x).unflatten(1, (_NUM_HEADS, -1))  # [B, heads, D / heads, T]
            for layer in (self.query, self.key, self.content, self.query_decay)
        )
        scores = queries.transpose(2, 3) @ keys / math.sqrt(keys.shape[2])  # [B, heads, T, T]

        # The k-th slope is weighted by k; all of them multiply the same distance.
        rank = torch.arange(1, _NUM_DECAYS + 1, dtype=x.dtype, device=x.device)
        slope = torch.einsum("bhkt,k->bht", decays.sigmoid() / 2, rank) / math.sqrt(_NUM_DECAYS)
        position = torch.arange(x.shape[-1], device=x.device)
        distance = (position[:, None] - position[None, :]).abs()  # [T, T]
        scores = scores - slope[..., None] * distance
        scores = scores.masked_fill(distance == 0, _SELF_SCORE)

        attended = content @ scores.softmax(dim=-1).transpose(2, 3)  # [B, heads, D / heads, T]
        projected: Tensor = self.proj(attended.flatten(1, 2))  # [B, D, T]
        return x + projected
