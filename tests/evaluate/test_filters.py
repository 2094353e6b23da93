from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.evaluate.filters import NUM_TAPS, FilterBank, ProjectionFilters, correlate

BLOCK = 4096 - NUM_TAPS + 1


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("num_samples", [1, 511, 512, BLOCK - 1, BLOCK, BLOCK + 1, 33 * BLOCK])
def test_correlations_are_sums_of_products(num_samples: int) -> None:
    first, second = noise(2, num_samples), noise(3, num_samples, seed=1)
    found = correlate(first, second)
    assert found.shape == (2, 3, NUM_TAPS)
    for lag in (0, 1, 100, NUM_TAPS - 1):
        ahead = second[:, lag:]
        direct = first[:, : ahead.shape[-1]] @ ahead.T
        assert torch.allclose(found[..., lag], direct, atol=1e-9)


@pytest.mark.parametrize("num_samples", [1, 100, BLOCK, BLOCK + 1, 3 * BLOCK + 17])
def test_a_filter_bank_convolves_and_sums(num_samples: int) -> None:
    signals, filters = noise(2, num_samples), noise(2, 3, NUM_TAPS, seed=1)
    filtered = FilterBank(filters)(signals).numpy()
    assert filtered.shape == (3, num_samples + NUM_TAPS - 1)
    for q in range(3):
        parts = [np.convolve(signals[r].numpy(), filters[r, q].numpy()) for r in range(2)]
        np.testing.assert_allclose(filtered[q], sum(parts), atol=1e-10)


def test_filters_that_were_used_are_found() -> None:
    """Sources through known filters: from all sources, and from one alone."""
    sources = noise(2, 2, 6000)
    sources[..., -NUM_TAPS:] = 0  # so that the tail is not cut off
    wanted = noise(4, 2, NUM_TAPS, seed=1)
    estimate = FilterBank(wanted)(sources.flatten(0, 1))[:, :6000]
    alone = FilterBank(wanted[:2])(sources[0])[:, :6000]
    estimates = torch.stack([estimate, alone])
    every, own = ProjectionFilters(sources).fit(estimates, [1, 0])
    assert every.shape == (4, 4, NUM_TAPS)
    assert torch.allclose(every[:, :2], wanted, atol=1e-9)
    assert torch.allclose(every[:2, 2:], wanted[:2], atol=1e-9)
    assert every[2:, 2:].abs().max() < 1e-9
    assert [filters.shape for filters in own] == [(2, 2, NUM_TAPS)] * 2
    assert torch.allclose(own[1], wanted[:2], atol=1e-9)


def test_the_residual_is_orthogonal_to_every_delay_of_every_source() -> None:
    """What makes it the nearest one, whatever the estimate."""
    sources, estimate = noise(2, 1, 9000), noise(1, 1, 9000, seed=1)
    every, _ = ProjectionFilters(sources).fit(estimate, [0])
    padded = torch.nn.functional.pad(estimate[0], (0, NUM_TAPS - 1))
    residual = padded - FilterBank(every)(sources[:, 0])
    assert correlate(sources[:, 0], residual).abs().max() < 1e-8
