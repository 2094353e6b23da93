"""The multichannel Wiener filter, against the one of Open-Unmix and against what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.dsp.wiener import (
    WienerOptions,
    expectation_maximization,
    wiener,
    wiener_in_parts,
)
from tests.references import reference_module

REQUIRED_DB = 120.0
"""Both compute in float64, from and to float32: 138 dB and more are seen."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mixture_of(num_channels: int, *, num_items: int = 1, level: float = 5.0) -> Tensor:
    """STFT [B, C, F, N], complex."""
    shape = (num_items, num_channels, 17, 33)
    return level * torch.complex(noise(*shape), noise(*shape, seed=1))


def spectrograms_for(mixture: Tensor, *, num_stems: int = 4) -> Tensor:
    """Magnitudes [B, S, C, F, N]: each stem has some share of each bin."""
    num_items, *rest = mixture.shape
    return noise(num_items, num_stems, *rest, seed=2).abs() * mixture.abs()[:, None]


def reference(spectrograms: Tensor, mixture: Tensor, options: WienerOptions) -> Tensor:
    """What Open-Unmix gives, item by item, in float64; it knows no windows."""
    estimates = []
    for magnitudes, bins in zip(spectrograms, mixture, strict=True):
        estimate = reference_module("openunmix.filtering").wiener(
            magnitudes.permute(3, 2, 1, 0).double(),  # [N, F, C, S]
            torch.view_as_real(bins.permute(2, 1, 0).to(torch.complex128).contiguous()),
            options.num_iterations,
            softmask=options.softmask,
            residual=options.residual,
        )  # [N, F, C, 2, S]
        estimates.append(torch.view_as_complex(estimate.permute(4, 2, 1, 0, 3).contiguous()))
    return torch.stack(estimates)  # [B, S, C, F, N]


def agreement_db(expected: Tensor, ours: Tensor) -> float:
    assert expected.shape == ours.shape
    return signal_to_difference_db(
        torch.view_as_real(expected), torch.view_as_real(ours.to(torch.complex128))
    )


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        WienerOptions(),
        WienerOptions(num_iterations=0),
        WienerOptions(num_iterations=3),
        WienerOptions(softmask=True),
        WienerOptions(softmask=True, num_iterations=0),
        WienerOptions(residual=True),
        WienerOptions(residual=True, softmask=True, num_iterations=2),
    ],
    ids=str,
)
def test_equals_the_reference(options: WienerOptions, num_channels: int) -> None:
    mixture = mixture_of(num_channels, num_items=2)
    spectrograms = spectrograms_for(mixture)
    ours = wiener(spectrograms, mixture, options=options)
    assert ours.dtype == mixture.dtype
    assert agreement_db(reference(spectrograms, mixture, options), ours) > REQUIRED_DB


def test_quiet_and_loud_mixtures_equal_the_reference() -> None:
    for level in (1e-4, 1e3):  # below and above where spectrograms are scaled down
        mixture = mixture_of(2, level=level)
        spectrograms = spectrograms_for(mixture)
        expected = reference(spectrograms, mixture, WienerOptions())
        assert agreement_db(expected, wiener(spectrograms, mixture)) > REQUIRED_DB


def test_one_channel_of_magnitudes_stands_for_all() -> None:
    mixture = mixture_of(2)
    spectrograms = spectrograms_for(mixture[:, :1])
    expected = reference(spectrograms.expand(-1, -1, 2, -1, -1), mixture, WienerOptions())
    assert agreement_db(expected, wiener(spectrograms, mixture)) > REQUIRED_DB


def test_a_mono_mix_is_exact_too() -> None:
    # All covariances are of rank one and what is inverted is nearly singular. The reference, which
    # computes in the precision that it is given, yields NaN here in float32.
    mixture = mixture_of(1).expand(-1, 2, -1, -1)
    spectrograms = spectrograms_for(mixture_of(1))
    expected = reference(spectrograms.expand(-1, -1, 2, -1, -1), mixture, WienerOptions())
    assert agreement_db(expected, wiener(spectrograms, mixture)) > REQUIRED_DB


@pytest.mark.parametrize("window_frames", [1, 10, 33, 34, None])
def test_windows_are_filtered_one_by_one(window_frames: int | None) -> None:
    mixture = mixture_of(2)
    spectrograms = spectrograms_for(mixture)
    ours = wiener(spectrograms, mixture, options=WienerOptions(window_frames=window_frames))
    size = window_frames or 33
    parts = [
        wiener(s, m)
        for s, m in zip(spectrograms.split(size, -1), mixture.split(size, -1), strict=True)
    ]
    torch.testing.assert_close(ours, torch.cat(parts, dim=-1))


@pytest.mark.parametrize(
    "options",
    [
        WienerOptions(window_frames=None),
        WienerOptions(window_frames=None, num_iterations=0),
        WienerOptions(window_frames=None, num_iterations=3, softmask=True, residual=True),
        WienerOptions(window_frames=4),
        WienerOptions(window_frames=None, noiseless=True),
    ],
    ids=str,
)
def test_parts_give_what_the_whole_gives(options: WienerOptions) -> None:
    mixture = torch.cat([mixture_of(2), mixture_of(2, level=1e3)])
    mixture[..., 20:] *= 0.1  # the loudest bin is in one part
    spectrograms = spectrograms_for(mixture)
    sizes = [12, 20, 1]

    def parts() -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(spectrograms.split(sizes, -1), mixture.split(sizes, -1), strict=True)

    ours = list(wiener_in_parts(parts, options=options))
    assert [part.shape[-1] for part in ours] == sizes
    expected = wiener(spectrograms, mixture, options=options).to(torch.complex128)
    assert agreement_db(expected, torch.cat(ours, dim=-1)) > REQUIRED_DB


def test_items_of_a_batch_do_not_influence_each_other_and_inputs_are_kept() -> None:
    mixture = torch.cat([mixture_of(2), mixture_of(2, level=1e4), torch.zeros_like(mixture_of(2))])
    spectrograms = spectrograms_for(mixture)
    before = mixture.clone(), spectrograms.clone()
    together = wiener(spectrograms, mixture)
    assert torch.equal(mixture, before[0])
    assert torch.equal(spectrograms, before[1])
    for i in range(3):
        alone = wiener(spectrograms[i : i + 1], mixture[i : i + 1])[0]
        torch.testing.assert_close(together[i], alone, rtol=1e-6, atol=0)


def test_silence_stays_silent_and_so_does_its_residual() -> None:
    # Here we differ from the reference on purpose: it takes bins that are exactly zero for one,
    # which ends up in the residual.
    mixture = mixture_of(2)
    mixture[..., :10] = 0
    options = WienerOptions(residual=True)
    estimates = wiener(spectrograms_for(mixture), mixture, options=options)
    assert estimates.isfinite().all()
    assert estimates[..., :10].abs().max() == 0
    assert estimates[:, -1, ..., 10:].abs().min() > 0


def test_estimates_add_up_to_the_mixture() -> None:
    mixture = mixture_of(2)
    estimates = wiener(spectrograms_for(mixture), mixture)
    # All but what the faint noise takes that keeps the filter finite.
    torch.testing.assert_close(estimates.sum(dim=1), mixture, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("level", [1e-2, 5.0, 1e3])
def test_without_noise_estimates_add_up_to_the_mixture(num_channels: int, level: float) -> None:
    mixture = mixture_of(num_channels, level=level)
    options = WienerOptions(noiseless=True)
    estimates = wiener(spectrograms_for(mixture), mixture, options=options)
    torch.testing.assert_close(estimates.sum(dim=1), mixture, rtol=1e-4, atol=1e-4 * level)


def test_without_noise_a_mono_mix_is_shared_out_by_power() -> None:
    """What is inverted is of rank one, whatever the level: by rounding alone it has an inverse."""
    for level in (1e3, 1e-3):
        mixture = level * mixture_of(1).expand(-1, 2, -1, -1)
        spectrograms = level * spectrograms_for(mixture_of(1))
        estimates = wiener(spectrograms, mixture, options=WienerOptions(noiseless=True))
        powers = spectrograms.square()
        expected = mixture[:, None] * powers / powers.sum(dim=1, keepdim=True)
        assert agreement_db(expected.to(torch.complex128), estimates) > 60


def test_without_noise_what_is_faint_is_taken_for_mono() -> None:
    """As D3Net's authors have it: half of what is faint and everywhere at once is lost."""
    places = torch.eye(2)[None, :, :, None, None]  # one stem left, one right, equally loud
    stems = 1e-3 * places.expand(1, 2, 2, 3, 50).to(torch.complex64)
    for level, share in ((1.0, 0.5), (1e3, 1.0)):
        mixture = level * stems.sum(dim=1)
        options = WienerOptions(noiseless=True)
        estimates = wiener(level * stems.abs(), mixture, options=options)
        torch.testing.assert_close(estimates, share * level * stems)


def test_powers_and_a_softmask_are_the_single_channel_wiener_filter() -> None:
    mixture = mixture_of(1)
    powers = spectrograms_for(mixture, num_stems=2).square()
    options = WienerOptions(softmask=True, num_iterations=0)
    expected = mixture[:, None] * powers / powers.sum(dim=1, keepdim=True)
    torch.testing.assert_close(wiener(powers, mixture, options=options), expected)


def test_one_iteration_from_the_true_stems_tells_them_apart_by_where_they_are() -> None:
    # Two stems that are equally loud in all bins: only their places differ.
    places = torch.tensor([[1.0, 0.2], [0.3, 1.0]])[None, :, :, None, None]
    stems = places * torch.stack([mixture_of(1, level=3), 1j * mixture_of(1).conj()], dim=1)
    mixture = stems.sum(dim=1)
    refined = expectation_maximization(stems, mixture)
    before = signal_to_difference_db(torch.view_as_real(stems[:, 0]), torch.view_as_real(mixture))
    after = agreement_db(stems[:, 0].to(torch.complex128), refined[:, 0])
    assert before < 5
    assert after > 40


def test_no_frames_give_no_frames() -> None:
    mixture = mixture_of(2)[..., :0]
    for window_frames in (300, None):
        options = WienerOptions(window_frames=window_frames)
        assert wiener(spectrograms_for(mixture), mixture, options=options).shape == (1, 4, 2, 17, 0)


def test_what_cannot_be_filtered_is_refused() -> None:
    mixture = mixture_of(3)
    with pytest.raises(ValueError, match="1 or 2 channels, got 3"):
        wiener(spectrograms_for(mixture), mixture)
    with pytest.raises(ValueError, match="num_iterations must not be negative, got -1"):
        WienerOptions(num_iterations=-1)
    with pytest.raises(ValueError, match="window_frames must be at least 1, got 0"):
        WienerOptions(window_frames=0)
