from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stemsplit.evaluate import oracles
from stemsplit.evaluate.metrics import sdr
from stemsplit.evaluate.oracles import ORACLES, separate_with
from stemsplit.models.spectral.model import SpectralSeparator
from tests.evaluate.reference import falcon, needs_falcon


def sounds(num_sources: int, num_channels: int, num_samples: int) -> Tensor:
    """Sources that each have a band of their own and a share of the noise in between."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.randn(num_sources, num_channels, num_samples, generator=generator)
    for index in range(1, num_sources):
        sources[index] = sources[index].cumsum(dim=-1) * 0.05 * index
    return sources


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_oracles_are_better_than_the_mixture(name: str, num_channels: int) -> None:
    sources = sounds(2, num_channels, 60_000)
    mixture = sources.sum(dim=0)
    estimates = separate_with(ORACLES[name], mixture, sources)
    for source, estimate in zip(sources, estimates, strict=True):
        assert sdr(source, estimate) > sdr(source, mixture) + 3


@pytest.mark.parametrize("name", ["irm", "mwf"])
def test_shares_add_up_to_the_mixture(name: str) -> None:
    sources = sounds(3, 2, 50_000)
    mixture = sources.sum(dim=0)
    estimates = separate_with(ORACLES[name], mixture, sources)
    assert sdr(mixture, estimates.sum(dim=0)) > 60


def test_the_binary_mask_takes_a_bin_or_leaves_it() -> None:
    mixture = torch.randn(1, 5, 7, dtype=torch.complex64)
    sources = torch.stack([0.8 * mixture, 0.2 * mixture])  # [S, C, F, N]
    sources[:, :, 0] = mixture[:, 0] / 2  # nobody is stronger than the rest
    masked = oracles.ideal_binary_mask(mixture, sources)
    assert torch.equal(masked[0, :, 1:], mixture[:, 1:])
    assert not masked[1, :, 1:].any()
    assert not masked[:, :, 0].any()


@pytest.mark.parametrize("name", ["irm", "ibm"])
@pytest.mark.parametrize("num_samples", [30_000, 20_480, 20_481])
def test_masks_do_not_depend_on_segments(
    name: str, num_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sounds(2, 2, num_samples)
    mixture = sources.sum(dim=0)
    whole = separate_with(ORACLES[name], mixture, sources)
    monkeypatch.setattr(oracles, "_SEGMENT_SAMPLES", 10 * 1024)
    assert torch.allclose(separate_with(ORACLES[name], mixture, sources), whole, atol=1e-5)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("num_samples", [0, 1, 100, 2048, 4097])
def test_any_length_and_silence(name: str, num_samples: int) -> None:
    sources = sounds(2, 2, num_samples)
    estimates = separate_with(ORACLES[name], sources.sum(dim=0), sources)
    assert estimates.shape == sources.shape
    assert torch.isfinite(estimates).all()
    silent = separate_with(ORACLES[name], torch.zeros(2, num_samples), 0 * sources)
    assert not silent.any()


@needs_falcon
def test_bounds_of_a_real_song() -> None:
    """The mixture below the built-in model below every oracle, for each stem."""
    audio = falcon()
    part = slice(44_100, 4 * 44_100)
    mixture, sources = audio.mixture[:, part], audio.sources[..., part]
    with torch.inference_mode():
        model = SpectralSeparator()(mixture[None])[0]
    bounds = [separate_with(oracle, mixture, sources) for oracle in ORACLES.values()]
    for index, source in enumerate(sources):
        lower, middle = sdr(source, mixture), sdr(source, model[index])
        assert lower + 1 < middle
        assert all(middle + 1 < sdr(source, bound[index]) for bound in bounds)
