"""Spectrograms as real feature maps, and batch norms that became part of other layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from stemsplit.models.blocks.batch_norm import ChannelAffine, fold_batch_norms
from stemsplit.models.blocks.channel_spectrogram import ChannelSpectrogram
from tests.models.deterministic_weights import fill_by_name, noise_by_name


def test_maps_are_the_bins_of_each_channel_in_turn() -> None:
    spectrogram = ChannelSpectrogram(n_fft=64, hop_length=16, num_bins=20)
    mixture = noise_by_name("mixture", 3, 2, 160)
    maps = spectrogram.analyze(mixture)  # [B, 4, N, F]
    assert maps.shape == (3, 4, 11, 20)
    expected = torch.stft(
        mixture[1], 64, 16, window=torch.hann_window(64), return_complex=True
    )  # [C, F, N]
    torch.testing.assert_close(maps[1, 2], expected[1].real[:20].T)
    torch.testing.assert_close(maps[1, 3], expected[1].imag[:20].T)


def test_all_bins_give_the_signal_back_and_what_is_cut_off_is_silent() -> None:
    mixture = noise_by_name("mixture", 2, 2, 160)
    complete = ChannelSpectrogram(n_fft=64, hop_length=16, num_bins=33, pad_mode="constant")
    maps = complete.analyze(mixture)
    torch.testing.assert_close(complete.synthesize(maps, num_samples=160), mixture)
    cut = ChannelSpectrogram(n_fft=64, hop_length=16, num_bins=20, pad_mode="constant")
    maps[..., 20:] = 0
    torch.testing.assert_close(
        cut.synthesize(maps[..., :20], num_samples=160), complete.synthesize(maps, num_samples=160)
    )


@pytest.mark.parametrize("num_samples", [1, 32, 33, 111, 112, 113, 1000])
def test_fitted_lengths_give_whole_steps_of_frames(num_samples: int) -> None:
    spectrogram = ChannelSpectrogram(n_fft=64, hop_length=16, num_bins=20)
    length = spectrogram.fitted_length(num_samples, frame_step=8)
    assert length >= num_samples
    assert spectrogram.analyze(torch.zeros(1, 1, length)).shape[2] % 8 == 0
    assert length - 8 * 16 < max(num_samples, 33)  # the next shorter one would not do
    assert spectrogram.fitted_length(1, frame_step=8, min_steps=2) == 15 * 16


@pytest.mark.parametrize(
    ("build", "num_axes"),
    [
        (lambda: nn.Conv1d(3, 5, 3), 1),
        (lambda: nn.Conv2d(3, 5, (1, 2), bias=False), 2),
        (lambda: nn.ConvTranspose2d(3, 5, 2, 2), 2),
    ],
    ids=["1d", "without bias", "transposed"],
)
def test_a_folded_norm_changes_nothing(build: Callable[[], nn.Module], num_axes: int) -> None:
    norm = nn.BatchNorm1d(5) if num_axes == 1 else nn.BatchNorm2d(5)
    published = nn.Sequential(nn.Sequential(build(), norm))
    fill_by_name(published)
    transposed = isinstance(published[0][0], nn.ConvTranspose2d)
    folded = fold_batch_norms(
        published.state_dict(),
        ["0.0.weight", "0.0.bias"],
        transposed_prefix="0." if transposed else "1.",
    )
    assert folded.keys() == {"0.0.weight", "0.0.bias"}
    alone = build()
    alone.register_parameter("bias", nn.Parameter(torch.zeros(5)))
    nn.Sequential(nn.Sequential(alone)).load_state_dict(folded)
    x = noise_by_name("x", 2, 3, *[8] * num_axes)
    with torch.no_grad():
        torch.testing.assert_close(alone(x), published(x), atol=1e-5, rtol=1e-5)


def test_a_norm_that_stays_becomes_a_gain_and_an_offset() -> None:
    published = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm2d(3)))
    fill_by_name(published)
    network = nn.Sequential(nn.Sequential(nn.Linear(4, 4), ChannelAffine(3)))
    names = network.state_dict().keys()
    network.load_state_dict(fold_batch_norms(published.state_dict(), names, transposed_prefix="1."))
    x = noise_by_name("x", 2, 3, 5, 4)
    before = x.clone()
    with torch.no_grad():
        torch.testing.assert_close(network(x), published(x))
    assert torch.equal(x, before)
