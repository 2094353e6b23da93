from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.evaluate.metrics import sdr, si_sdr, si_sdr_improvement


def _noise(seed: int) -> Tensor:
    return torch.randn(2, 1000, generator=torch.Generator().manual_seed(seed))


def test_sdr_of_a_known_error() -> None:
    reference = _noise(0)
    # An error of a tenth of the amplitude is 20 dB down; float32 rounding is the tolerance.
    assert sdr(reference, 0.9 * reference) == pytest.approx(20.0, abs=1e-4)


def test_sdr_counts_channels_together() -> None:
    """A perfect channel and a missing one: half of the energy is wrong, not minus infinity."""
    reference = torch.ones(2, 100)
    estimate = torch.stack([torch.ones(100), torch.zeros(100)])
    assert sdr(reference, estimate) == pytest.approx(10 * math.log10(2), abs=1e-6)


def test_sdr_does_not_forgive_a_wrong_gain() -> None:
    reference = _noise(0)
    assert sdr(reference, 2 * reference) == pytest.approx(0.0, abs=1e-5)


def test_sdr_of_silence_is_defined() -> None:
    silence = torch.zeros(2, 100)
    assert sdr(silence, silence) == 0.0
    # 10 log10(1e-7 / (200 + 1e-7))
    assert sdr(silence, torch.ones(2, 100)) == pytest.approx(-93.0103, abs=1e-4)


def test_sdr_of_a_perfect_estimate_is_bounded_by_epsilon() -> None:
    reference = torch.ones(1, 10)
    assert sdr(reference, reference) == pytest.approx(80.0, abs=1e-6)


def test_parity_has_no_epsilon() -> None:
    reference = _noise(0)
    assert signal_to_difference_db(reference, reference) == math.inf
    nearly = reference.double() * (1 + 1e-12)
    assert signal_to_difference_db(reference.double(), nearly) == pytest.approx(240, abs=0.01)
    assert signal_to_difference_db(torch.zeros(2, 1000), reference) == -math.inf
    assert signal_to_difference_db(reference, reference * math.inf) == -math.inf
    assert math.isnan(signal_to_difference_db(reference, reference * math.nan))


@pytest.mark.parametrize(
    ("num_channels", "num_samples", "error"),
    [(1, 1000, 0.1), (1, 1000, 10.0), (2, 777, 0.01), (2, 1, 0.5), (1, 2, 1.0), (6, 50, 0.3)],
)
def test_si_sdr_is_that_of_fast_bss_eval(num_channels: int, num_samples: int, error: float) -> None:
    """Channels together are one long signal to the reference."""
    package = pytest.importorskip("fast_bss_eval")
    reference = _noise(0)[0, : num_channels * num_samples].double().reshape(num_channels, -1)
    estimate = 0.7 * reference + error * _noise(1)[0, : reference.numel()].reshape_as(reference)
    pair = (signal.flatten()[None].numpy() for signal in (reference, estimate))
    assert si_sdr(reference, estimate) == pytest.approx(package.si_sdr(*pair).item(), abs=1e-6)


def test_si_sdr_forgives_a_wrong_gain_and_nothing_else() -> None:
    reference, noise = _noise(0), _noise(1)
    value = si_sdr(reference, reference + noise)
    assert si_sdr(reference, -0.01 * (reference + noise)) == pytest.approx(value, abs=1e-4)
    assert si_sdr(reference, torch.roll(reference, 1, dims=-1)) < 0


def test_the_improvement_is_over_the_mixture() -> None:
    reference, noise = _noise(0), _noise(1)
    mixture, estimate = reference + noise, reference + 0.1 * noise
    # A tenth of the noise is 20 dB less, nearly: the noise has a little of the reference in it.
    assert si_sdr_improvement(reference, estimate, mixture) == pytest.approx(20, abs=0.5)
    assert si_sdr_improvement(reference, mixture, mixture) == 0
    assert si_sdr_improvement(reference, estimate, reference) == math.inf
    assert si_sdr_improvement(reference, torch.zeros(2, 1000), mixture) == -math.inf


def test_si_sdr_at_its_ends() -> None:
    reference = torch.tensor([[1.0, 0.0]])
    assert si_sdr(reference, 3 * reference) == math.inf
    assert si_sdr(reference, torch.tensor([[0.0, 5.0]])) == -math.inf
    assert si_sdr(reference, torch.zeros(1, 2)) == -math.inf
    with pytest.raises(ValueError, match="not defined for a silent reference"):
        si_sdr(torch.zeros(1, 2), reference)


@pytest.mark.parametrize("measure", [sdr, si_sdr, signal_to_difference_db])
def test_shapes_must_agree(measure: Callable[[Tensor, Tensor], float]) -> None:
    """Mono against stereo would broadcast silently."""
    with pytest.raises(ValueError, match=r"shape \(2, 8\) with one of shape \(1, 8\)"):
        measure(torch.zeros(2, 8), torch.zeros(1, 8))
