"""Mono to the model and back."""

from __future__ import annotations

import pytest
import torch

from stemsplit.audio.channels import from_model_channels, to_model_channels
from stemsplit.errors import AudioReadError


def test_mono_there_and_back() -> None:
    mono = torch.rand(1, 100)
    stereo = to_model_channels(mono, 2)
    assert torch.equal(stereo, torch.cat([mono, mono]))
    assert torch.equal(from_model_channels(stereo[None], 1), mono[None])


def test_mono_is_the_mean_of_the_models_channels() -> None:
    stems = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])  # [S, C, T]
    assert torch.equal(from_model_channels(stems, 1), torch.tensor([[[0.5, -0.5]]]))


def test_equal_channels_are_kept() -> None:
    block = torch.rand(2, 10)
    assert to_model_channels(block, 2) is block
    assert torch.equal(from_model_channels(block[None], 2)[0], block)


@pytest.mark.parametrize("num_channels", [3, 6, 8])
def test_more_channels_are_not_supported(num_channels: int) -> None:
    with pytest.raises(AudioReadError, match=f"{num_channels} channels and the model takes 2"):
        to_model_channels(torch.zeros(num_channels, 5), 2)
    with pytest.raises(ValueError, match=f"2 channels into {num_channels}"):
        from_model_channels(torch.zeros(1, 2, 5), num_channels)
