"""How much of a recording is a voice, and whether it stands out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stemsplit.engine.enrolment import Reference
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.voice_activity import voice_activity
from stemsplit.errors import AudioReadError
from tests.models.recorded_voices import SPEAKERS, recorded
from tests.models.takes import SAMPLE_RATE, TAKES, noise, voice

SECONDS = 6


def reference_of(take: Tensor) -> Reference:
    return Reference.of(Mixture.from_array(take, SAMPLE_RATE))


def in_noise(take: Tensor, snr_db: float) -> Tensor:
    hiss = noise(take.shape[-1])
    return take + hiss * (take.square().mean() / hiss.square().mean() / 10 ** (snr_db / 10)).sqrt()


def test_a_clear_voice_of_some_seconds_is_as_it_should_be() -> None:
    take = voice(SECONDS * SAMPLE_RATE)
    found = voice_activity(take, SAMPLE_RATE)
    assert 2 < found.seconds < SECONDS  # syllables and as much silence between them
    assert found.contrast_db > 30
    assert reference_of(take).warnings == ()


@pytest.mark.parametrize("sample_rate", [8000, 44_100])
def test_the_rate_does_not_matter(sample_rate: int) -> None:
    take = torch.zeros(2, 3 * sample_rate)
    take[:, : 2 * sample_rate] = torch.sin(torch.arange(2.0 * sample_rate))
    assert voice_activity(take, sample_rate).seconds == pytest.approx(2, abs=0.05)


def test_too_little_of_a_voice_is_said() -> None:
    take = voice(SECONDS * SAMPLE_RATE)
    take[:, SAMPLE_RATE:] = 0
    (warning,) = reference_of(take).warnings
    assert "only 0.5 s of a voice" in warning


@pytest.mark.parametrize(("snr_db", "num_warnings"), [(20, 0), (15, 0), (0, 1)])
def test_noise_is_said(snr_db: float, num_warnings: int) -> None:
    warnings = reference_of(in_noise(voice(SECONDS * SAMPLE_RATE), snr_db)).warnings
    assert len(warnings) == num_warnings
    assert all("full of noise" in warning for warning in warnings)


@pytest.mark.parametrize("name", SPEAKERS)
def test_real_references_pass_and_noisy_ones_do_not(name: str) -> None:
    take = recorded(f"{name}-reference")
    assert reference_of(take).warnings == ()
    assert reference_of(in_noise(take, 15)).warnings == ()
    assert len(reference_of(in_noise(take, 0)).warnings) == 1


@pytest.mark.parametrize("num_samples", [0, 1, 399, 400, 401])
def test_any_length_has_an_answer(num_samples: int) -> None:
    found = voice_activity(voice(num_samples), SAMPLE_RATE)
    assert 0 <= found.seconds <= num_samples / SAMPLE_RATE


@pytest.mark.parametrize(
    "take",
    [TAKES["silence"](20_000), torch.full((1, 20_000), 0.5), TAKES["very_quiet_voice"](20_000)],
    ids=["zeros", "offset", "-80 dBFS"],
)
def test_what_nobody_hears_is_silent(take: Tensor) -> None:
    with pytest.raises(AudioReadError, match="is silent"):
        reference_of(take)
