from __future__ import annotations

import pytest
import torch

from stemsplit.dsp.median import running_median


@pytest.mark.parametrize("num_taps", [1, 3, 5, 7, 9, 17])
@pytest.mark.parametrize("spacing", [1, 2, 5])
def test_equals_sorting(num_taps: int, spacing: int) -> None:
    """Exactly: both only pick values."""
    values = torch.randn(2, 70, 40, generator=torch.Generator().manual_seed(0))
    reach = num_taps // 2 * spacing
    mirrored = torch.cat(
        [values[..., :reach].flip(-1), values, values[..., 40 - reach :].flip(-1)], -1
    )
    windows = mirrored.unfold(-1, 2 * reach + 1, 1)[..., ::spacing]
    assert torch.equal(
        running_median(values, num_taps=num_taps, spacing=spacing), windows.median(-1).values
    )


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_any_length(length: int) -> None:
    values = torch.full((3, length), 7.0)
    assert torch.equal(running_median(values, num_taps=9, spacing=10), values)


def test_does_not_change_its_input() -> None:
    values = torch.randn(4, 30)
    before = values.clone()
    running_median(values, num_taps=5)
    assert torch.equal(values, before)


@pytest.mark.parametrize("num_taps", [0, 4, -1])
def test_even_windows_have_no_middle(num_taps: int) -> None:
    with pytest.raises(ValueError, match=f"odd number of taps, got {num_taps}"):
        running_median(torch.zeros(3), num_taps=num_taps)
