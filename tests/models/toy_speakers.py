"""Synthetic speakers, a network that tells them apart in any order, and one that knows them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.spec import ModelSpec

PITCHES_HZ = (110.0, 190.0)


def speaker(pitch_hz: float, num_samples: int, sample_rate: int = 16_000) -> Tensor:
    """Syllables on one pitch [1, T], without a break."""
    seconds = torch.arange(num_samples, dtype=torch.float64) / sample_rate
    tone = sum(torch.sin(2 * torch.pi * pitch_hz * n * seconds) / n for n in range(1, 9))
    assert isinstance(tone, Tensor)
    syllables = 0.6 + 0.4 * torch.sin(2 * torch.pi * 3 * seconds)
    return (0.1 * tone * syllables)[None].float()


class PitchKnower(nn.Module):
    """In the place of the network that knows voices: [B, T] at 16 kHz -> how much of each pitch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)  # whose device is looked at

    def forward(self, voices: Tensor) -> Tensor:
        seconds = torch.arange(voices.shape[-1]) / 16_000
        waves = torch.stack(
            [torch.polar(torch.ones(()), 2 * torch.pi * hz * seconds) for hz in PITCHES_HZ], dim=-1
        )  # [T, P]
        return nn.functional.normalize((voices.to(waves.dtype) @ waves).abs(), dim=-1)


class Forgetful(nn.Module):
    """Tells the speakers [S, T] apart, and in each chunk after another calls them otherwise.

    It knows by the mixture where a chunk is; what is none of theirs is in no output.
    """

    def __init__(
        self,
        speakers: Sequence[Tensor],
        sample_rate: int,
        *,
        num_channels: int = 1,
        chunk_seconds: int = 1,
    ) -> None:
        super().__init__()
        chunk_samples = chunk_seconds * sample_rate
        self.speakers = torch.cat(list(speakers))  # [S, T]
        self.spec = ModelSpec(
            family="toy",
            stems=tuple(f"speaker{number + 1}" for number in range(len(speakers))),
            sample_rate=sample_rate,
            num_channels=num_channels,
            chunking=ChunkPolicy(chunk_samples=chunk_samples, overlap_samples=chunk_samples // 2),
            scaling=None,
            paper="none",
            ordered=False,
        )
        self.num_calls = 0

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, C, T] -> [B, S, C, T], by what the speakers have in common with each item."""
        stems = []
        for item in mixture:
            at = self._position(item.mean(0))
            found = self.speakers[:, at : at + item.shape[-1]]
            found = nn.functional.pad(found, (0, item.shape[-1] - found.shape[-1]))
            self.num_calls += 1
            stems.append(found.roll(self.num_calls, 0)[:, None].expand(-1, len(item), -1))
        return torch.stack(stems)

    def _position(self, item: Tensor) -> int:
        whole = self.speakers.sum(0)
        hop = self.spec.chunking.hop_samples
        starts = range(0, whole.shape[-1], hop)

        def distance(start: int) -> float:
            there = whole[start : start + len(item)]
            return float((item[: len(there)] - there).square().sum() / len(there))

        return min(starts, key=distance)
