"""From any rate to the model's and back: nothing that the ear could find is lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import InputScaling
from tests.audio.songs import band_noise
from tests.engine.toy_models import GainModel, model_of
from tests.engine.tracks import run


@pytest.mark.parametrize(
    "sample_rate", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 88_200, 96_000, 176_400, 192_000]
)
def test_a_model_that_takes_nothing_away_gives_the_song_back(sample_rate: int) -> None:
    # The filter's pass band: 0.88 of the lower Nyquist frequency, 19.4 kHz for hi-res songs.
    top_hz = 0.88 * min(sample_rate, 44_100) / 2
    song = band_noise(sample_rate // 2, top_hz=top_hz, sample_rate=sample_rate, num_channels=2)
    stems = run(
        torch.from_numpy(song),
        model_of(GainModel((1.0,), scaling=InputScaling())),
        sample_rate=sample_rate,
        options=SeparationOptions(stems=("drums",)),
    )
    error = stems["drums"].numpy() - song
    level_db = 20 * np.log10(np.abs(error).max() / np.abs(song).max())
    assert level_db < -90  # measured: -119 and lower
