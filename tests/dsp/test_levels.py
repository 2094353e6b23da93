from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.dsp.levels import FULL_SCALE, CorrelationMeter, Level, LevelMeter, energy
from tests.signals import SIGNALS


def noise(num_signals: int, num_samples: int, *, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(num_samples)
    return 0.1 * torch.randn(num_signals, 2, num_samples, generator=generator) + offset


def level(samples: list[float] | Tensor, *, block_samples: int = 1000) -> Level:
    """The level of a mono signal."""
    meter = LevelMeter(num_signals=1, num_channels=1)
    for block in torch.split(torch.as_tensor(samples)[None, None], block_samples, dim=-1):
        meter.add(block)
    (result,) = meter.levels()
    return result


def test_the_peak_is_the_largest_sample_of_all_channels() -> None:
    meter = LevelMeter(num_signals=2, num_channels=2)
    signals = torch.zeros(2, 2, 10)
    signals[0, 1, 3] = -0.5
    meter.add(signals)
    meter.add(0.1 * signals)
    loud, silent = meter.levels()
    assert loud.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert (loud.num_clipped, loud.num_clipped_runs) == (0, 0)
    assert silent.peak == 0
    assert silent.peak_dbfs is None
    assert silent.is_finite


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_sample_that_is_no_finite_number_is_not_forgotten(value: float) -> None:
    result = level([0.1, value, 0.2, 0.3], block_samples=1)
    assert not result.is_finite
    assert result.peak_dbfs is None


@pytest.mark.parametrize(
    ("samples", "num_clipped", "num_runs"),
    [
        ([0.5, 0.9999, 0.5], 0, 0),
        ([32767 / 32768] * 3, 3, 1),  # what 16 bits can hold, upwards
        ([-1.0] * 2, 2, 0),
        ([-1.0] * 5, 5, 1),
        ([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 6, 2),
        ([1.0, 1.0, 1.0, -1.0, -1.0, -1.0], 6, 2),
        ([1.1, 1.2, 1.3, 1.2, 1.1], 5, 0),  # a decoder's overshoot is no flat top
        ([1.1, 1.1, 1.1, 1.1], 4, 1),
        ([0.3, 0.3, 0.3], 0, 0),
        ([], 0, 0),
    ],
)
def test_clipping_is_counted(samples: list[float], num_clipped: int, num_runs: int) -> None:
    for block_samples in (1, 2, 3, 1000):
        found = level(samples, block_samples=block_samples)
        assert (found.num_clipped, found.num_clipped_runs) == (num_clipped, num_runs)


def test_channels_clip_on_their_own() -> None:
    meter = LevelMeter(num_signals=1, num_channels=2)
    meter.add(torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]]]))
    (result,) = meter.levels()
    assert (result.num_clipped, result.num_clipped_runs) == (5, 1)


@given(
    samples=st.lists(st.sampled_from([1.0, -1.0, 1.5, 0.2]), max_size=40),
    block_samples=st.integers(1, 41),
)
def test_runs_are_those_that_one_would_count_by_hand(
    samples: list[float], block_samples: int
) -> None:
    runs, length = 0, 0
    for index, sample in enumerate(samples):
        same = index > 0 and sample == samples[index - 1] and length
        length = (length + 1 if same else 1) if abs(sample) >= FULL_SCALE else 0
        runs += length == 3
    assert level(samples, block_samples=block_samples).num_clipped_runs == runs


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_the_correlation_is_pearsons(offset: float) -> None:
    signals = noise(3, 50_000, offset=offset)
    signals[1] += 0.7 * signals[0]
    signals[2] -= 2 * signals[0]
    meter = CorrelationMeter(num_signals=3)
    for block in torch.split(signals, 7_001, dim=-1):
        meter.add(block)
    expected = np.corrcoef(signals.flatten(1).double().numpy())
    for first in range(3):
        for second in range(3):
            found = meter.correlation(first, second)
            assert found == pytest.approx(expected[first, second], abs=1e-5)
    energies = signals.double().square().sum(dim=(1, 2)).tolist()
    assert meter.energies() == pytest.approx(energies, rel=1e-5)


def test_scaled_copies_correlate_fully() -> None:
    signal = noise(1, 10_000)
    meter = CorrelationMeter(num_signals=3)
    meter.add(torch.cat([signal, 0.001 * signal, -3 * signal]))
    assert meter.correlation(0, 1) == pytest.approx(1, abs=1e-6)
    assert meter.correlation(0, 2) == pytest.approx(-1, abs=1e-6)


def test_what_does_not_move_correlates_with_nothing() -> None:
    signals = noise(4, 10_000)
    signals[1], signals[2] = 0.0, 0.7
    signals[3, 0, 5] = math.nan
    meter = CorrelationMeter(num_signals=4)
    meter.add(signals)
    assert [meter.correlation(0, other) for other in (1, 2, 3)] == [None] * 3
    assert meter.correlation(1, 2) is None
    assert CorrelationMeter(num_signals=2).correlation(0, 1) is None


@pytest.mark.parametrize("name", SIGNALS)
def test_energies_are_exact_whatever_is_heard(name: str) -> None:
    """Float32 was off by 5e-5 over a second of a constant."""
    signal = SIGNALS[name](44_100)
    expected = float(signal.double().square().sum())
    meter = CorrelationMeter(num_signals=1)
    meter.add(signal[None])
    assert meter.energies() == pytest.approx([expected], rel=2e-6)
    assert energy(signal) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("num_samples", [0, 1, 1023, 1024, 1025])
def test_energies_of_any_length(num_samples: int) -> None:
    assert energy(torch.ones(2, num_samples)) == pytest.approx(2 * num_samples, rel=1e-6)
    meter = CorrelationMeter(num_signals=2)
    meter.add(torch.ones(2, 2, num_samples))
    assert meter.energies() == [2 * num_samples] * 2
