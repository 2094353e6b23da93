"""BSS Eval v4 against `museval`, which defines it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.audio.source import read_blocks
from stemsplit.evaluate import bsseval
from stemsplit.evaluate.bsseval import BssEval, BssEvalScores, median_over_frames
from stemsplit.models.spectral.model import SpectralSeparator
from tests.evaluate.reference import FALCON, METRICS, falcon, museval_scores, needs_falcon

pytestmark = pytest.mark.slow

RATE = 2000
"""Low, because what takes time is the filters and the frames are only there to be counted."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def colored(*shape: int, seed: int = 0) -> Tensor:
    """Noise that falls with frequency, as music does."""
    return noise(*shape, seed=seed).cumsum(dim=-1) * 0.01 + noise(*shape, seed=seed + 1)


def estimates_of(references: Tensor) -> Tensor:
    """Every source late, filtered, with some of the others and some noise."""
    late = torch.roll(references, 3, dims=-1) + 0.5 * torch.roll(references, 40, dims=-1)
    return late + 0.3 * references.flip(0) + 0.1 * noise(*references.shape, seed=9)


def table(scores: BssEvalScores) -> np.ndarray:
    return np.stack([getattr(scores, metric).numpy() for metric in METRICS])


@pytest.mark.parametrize(
    ("num_sources", "num_channels", "num_samples"),
    [
        (2, 1, 3 * RATE),  # whole frames
        (2, 1, 3 * RATE + 1999),  # a rest that is no frame
        (2, 1, RATE),  # exactly one
        (2, 1, RATE + 1),
        (2, 1, 700),  # shorter than a frame
        (2, 1, 100),  # shorter than the filters
        (3, 1, 9000),  # more than one block of a transform
        (1, 2, 5000),  # no interference
        (2, 2, 5000),
    ],
)
def test_scores_are_those_of_museval(num_sources: int, num_channels: int, num_samples: int) -> None:
    references = colored(num_sources, num_channels, num_samples)
    estimates = estimates_of(references)
    scores = table(BssEval(references, sample_rate=RATE).score(estimates))
    expected = museval_scores(references, estimates, sample_rate=RATE)
    if num_sources == 1:  # the interference is rounding in both: no figure to compare
        assert scores[2].min() > 200
        assert expected[2].min() > 200
        scores, expected = scores[[0, 1, 3]], expected[[0, 1, 3]]
    # Filters as long as the signal can say anything: what is left over is rounding there.
    large = expected > 150
    assert np.array_equal(scores > 150, large)
    np.testing.assert_allclose(scores[~large], expected[~large], atol=1e-6)


def test_frames_in_which_anything_is_silent_have_no_scores() -> None:
    references = noise(3, 1, 6 * RATE)
    estimates = references + 0.1 * noise(3, 1, 6 * RATE, seed=1)
    references[0, :, RATE : 2 * RATE] = 0
    estimates[2, :, 3 * RATE : 4 * RATE] = 0
    references[1, :, 4 * RATE : 5 * RATE - 1] = 0  # all but one sample
    scores = table(BssEval(references, sample_rate=RATE).score(estimates))
    expected = museval_scores(references, estimates, sample_rate=RATE)
    assert np.isnan(expected).any(axis=(0, 1)).tolist() == [False, True, False, True, False, False]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    medians = median_over_frames(torch.from_numpy(scores[0]))
    np.testing.assert_allclose(medians, np.nanmedian(expected[0], axis=1), atol=1e-6)


@pytest.mark.slow
@needs_falcon
def test_scores_of_a_real_song_are_those_of_museval() -> None:
    """The whole excerpt with all stems: the figures that `stemsplit evaluate` prints."""
    audio = falcon()
    with torch.inference_mode():
        estimates = SpectralSeparator()(audio.mixture[None])[0]  # [S, C, T]
    scores = table(BssEval(audio.sources, sample_rate=audio.sample_rate).score(estimates))
    expected = museval_scores(audio.sources, estimates, sample_rate=audio.sample_rate)
    assert scores.shape == (4, 4, 6)
    # Measured: 4e-7 dB. The issue asks for 0.01.
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@needs_falcon
def test_rounding_to_16_bits_gives_filters_something_to_hold_on_to() -> None:
    """Why tracks are loaded at 16 bits: the same sources but for half a step, and 5 dB apart."""
    audio = falcon()
    decoded = torch.stack(
        [torch.cat(list(read_blocks(FALCON, stream=stream)), dim=-1) for stream in (4, 2)]
    )
    rounded = torch.stack([audio.sources[audio.stems.index(stem)] for stem in ("vocals", "bass")])
    assert (decoded - rounded).abs().max() <= 2**-16
    estimates = audio.mixture.expand(2, -1, -1)
    medians = [
        median_over_frames(BssEval(sources, sample_rate=audio.sample_rate).score(estimates).sir)[1]
        for sources in (rounded, decoded)
    ]
    assert medians[0] - medians[1] > 5


def test_sdr_needs_no_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    references = noise(3, 2, 5 * RATE)
    references[1, :, : RATE // 2] = 0
    estimates = references + noise(3, 2, 5 * RATE, seed=1)
    evaluation = BssEval(references, sample_rate=RATE)
    full = evaluation.score(estimates).sdr
    monkeypatch.setattr(bsseval, "ProjectionFilters", None)
    alone = BssEval(references, sample_rate=RATE).sdr(estimates)
    assert torch.allclose(alone, full, atol=1e-9)


def test_some_of_the_sources_are_scored_as_all_of_them() -> None:
    """What the others are decides SIR and SAR, whether there are estimates of them or not."""
    references = noise(3, 1, 2 * RATE)
    estimates = estimates_of(references)
    evaluation = BssEval(references, sample_rate=RATE)
    every = table(evaluation.score(estimates))
    some = table(evaluation.score(estimates[[2, 0]], [2, 0]))
    np.testing.assert_allclose(some, every[:, [2, 0]], atol=1e-9)


def test_channels_that_repeat_each_other_change_nothing() -> None:
    """The equations are singular then, and the projection is the same."""
    references = noise(2, 1, 2 * RATE)
    estimates = estimates_of(references)
    mono = table(BssEval(references, sample_rate=RATE).score(estimates))
    twice = BssEval(references.expand(-1, 2, -1), sample_rate=RATE)
    np.testing.assert_allclose(table(twice.score(estimates.expand(-1, 2, -1))), mono, atol=1e-6)
    half = torch.cat([references, torch.zeros_like(references)], dim=1)
    silent = torch.cat([estimates, torch.zeros_like(estimates)], dim=1)
    one_sided = BssEval(half, sample_rate=RATE).score(silent)
    np.testing.assert_allclose(table(one_sided), mono, atol=1e-6)


def test_pure_tones_are_scored_as_by_museval() -> None:
    """Two lines in the spectrum: of 512 taps, four mean something."""
    seconds = torch.arange(3 * RATE) / RATE
    references = torch.stack([torch.sin(2 * torch.pi * f * seconds) for f in (150, 220)])[:, None]
    estimates = references + 0.1 * references.flip(0) + 0.01 * noise(2, 1, 3 * RATE)
    scores = table(BssEval(references, sample_rate=RATE).score(estimates))
    expected = museval_scores(references, estimates, sample_rate=RATE)
    np.testing.assert_allclose(scores, expected, atol=0.01)


def test_one_sample() -> None:
    one = BssEval(torch.ones(1, 1, 1), sample_rate=RATE).score(torch.full((1, 1, 1), 0.9))
    assert one.sdr.item() == pytest.approx(20, abs=1e-5)
    assert one.sar.item() > 100


def test_what_cannot_be_scored_is_an_error() -> None:
    references = noise(2, 1, 1000)
    with pytest.raises(ValueError, match=r"shape \(2, 1, 1000\) with estimates of shape \(2, 1, 9"):
        BssEval(references, sample_rate=RATE).score(noise(2, 1, 999))
    with pytest.raises(ValueError, match=r"must be \[S, C, T\]"):
        BssEval(references[0], sample_rate=RATE)
    references[1] = 0
    with pytest.raises(ValueError, match="silent from end to end"):
        BssEval(references, sample_rate=RATE)
    with pytest.raises(ValueError, match="no memory for more than 16 channels"):
        BssEval(noise(9, 2, 100), sample_rate=RATE).score(noise(9, 2, 100))


def test_the_median_of_frames() -> None:
    nan, inf = math.nan, math.inf
    scores = torch.tensor([[3.0, 1.0, nan, 2.0], [4.0, nan, nan, 1.0], [nan] * 4, [inf, 1, 1, inf]])
    assert median_over_frames(scores)[:2] == [2.0, 2.5]
    assert math.isnan(median_over_frames(scores)[2])
    assert median_over_frames(scores)[3] == inf
