"""Statistics in blocks equal those of the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.audio.source import StatsAccumulator, TrackStats
from tests.audio.songs import tone


def measure(audio: torch.Tensor, block_samples: int) -> TrackStats:
    stats = StatsAccumulator()
    for block in audio.split(block_samples, dim=-1):
        stats.add(block)
    return stats.result()


@given(
    num_samples=st.integers(2, 500),
    num_channels=st.integers(1, 3),
    block_samples=st.integers(1, 600),
    seed=st.integers(0, 99),
)
def test_blocks_equal_the_whole(
    num_samples: int, num_channels: int, block_samples: int, seed: int
) -> None:
    audio = torch.randn(num_channels, num_samples, generator=torch.Generator().manual_seed(seed))
    stats = measure(audio, block_samples)
    mono = audio.double().mean(dim=0)
    assert stats.num_samples == num_samples
    # float64 sums of at most 500 numbers.
    assert stats.mean == pytest.approx(mono.mean().item(), abs=1e-14)
    assert stats.std == pytest.approx(mono.std().item(), rel=1e-12)
    assert stats.peak == audio.abs().max().item()


def test_quiet_music_on_a_large_offset() -> None:
    audio = torch.from_numpy(tone(100_000)).double() * 1e-6 + 1e6
    stats = measure(audio, 777)
    # The offset leaves 1e6 * 2^-53 = 1e-10 of each sample; "mean of squares" would leave nothing.
    assert stats.std == pytest.approx(audio.mean(dim=0).std().item(), rel=1e-6)


@pytest.mark.parametrize("num_samples", [0, 1])
def test_too_few_samples_for_a_deviation(num_samples: int) -> None:
    stats = measure(torch.full((2, num_samples), 0.5), 10)
    assert stats == TrackStats(
        num_samples=num_samples, mean=0.5 * num_samples, std=0.0, peak=0.5 * num_samples
    )
