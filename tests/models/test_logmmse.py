"""The built-in denoiser: what it takes out, what it leaves alone, and that chunks do not matter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from stemsplit.evaluate.metrics import si_sdr
from stemsplit.models.logmmse.model import LogMmse, _exponential_integral
from tests.models import denoisers
from tests.models.parity import noise

RATE = 48_000
SNR_DB = 5.0


def syllables(seconds: int = 8) -> Tensor:
    """What speech is like [1, T]: gliding voiced sounds of a quarter of a second, and pauses."""
    time = torch.arange(seconds * RATE) / RATE
    pitch = 120 + 30 * (2 * math.pi * 0.7 * time).sin()
    phase = 2 * math.pi * pitch.cumsum(0) / RATE
    tones = torch.stack([(harmonic * phase).sin() / harmonic for harmonic in range(1, 30)])
    loud = (2 * math.pi * 2 * time).sin().clamp(min=0).sqrt()
    pauses = (time % 2 < 1.6).float()
    return 0.1 * (tones.sum(0) * loud * pauses)[None]


def in_noise(voice: Tensor) -> Tensor:
    hiss = noise(*voice.shape) - 0.1
    gain = (voice.square().mean() / hiss.square().mean() / 10 ** (SNR_DB / 10)).sqrt()
    return voice + gain * hiss


def real_speech() -> Tensor:
    return denoisers.clean_speech(RATE)


@pytest.mark.slow
@pytest.mark.parametrize("voice", [syllables, real_speech])
def test_steady_noise_is_taken_out_and_clean_speech_is_left_alone(voice: object) -> None:
    assert callable(voice)
    clean = voice()
    model = LogMmse()
    mixture = in_noise(clean)
    gained = si_sdr(clean, denoisers.speech_of(model, mixture)) - si_sdr(clean, mixture)
    kept = si_sdr(clean, denoisers.speech_of(model, clean))
    print(f"{gained:.2f} dB gained, {kept:.2f} dB kept")
    assert gained > 3
    assert kept > 20


@pytest.mark.slow
@pytest.mark.parametrize("hops", [3, 100])
def test_the_length_of_chunks_does_not_matter(hops: int) -> None:
    model = LogMmse()
    mixture = in_noise(syllables(4))
    mixture[:, RATE : 2 * RATE] = 0
    whole = denoisers.speech_of(model, mixture)
    pieces = denoisers.in_pieces(model, mixture, hops * 512)
    torch.testing.assert_close(pieces, whole, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_noise_alone_goes_to_its_end_and_silence_is_silence() -> None:
    model = LogMmse()
    hiss = 0.05 * noise(1, 4 * RATE)
    left = denoisers.speech_of(model, hiss)
    for part in (slice(RATE // 4, RATE), slice(-RATE // 2, None)):
        assert left[:, part].square().mean() < 0.25 * hiss[:, part].square().mean()
    assert denoisers.speech_of(model, torch.zeros(2, RATE)).abs().max() == 0


@pytest.mark.parametrize("num_samples", [1, 511, 512, 5000])
def test_short_sounds_keep_their_length(num_samples: int) -> None:
    signal = 0.1 * noise(2, num_samples)
    speech = denoisers.speech_of(LogMmse(), signal)
    assert speech.shape == signal.shape
    assert speech.isfinite().all()


def test_the_exponential_integral() -> None:
    # Abramowitz and Stegun, tables 5.1 and 5.2.
    values = _exponential_integral(torch.tensor([0.01, 0.5, 1.0, 2.0, 10.0]))
    expected = torch.tensor([4.0379296, 0.5597736, 0.2193839, 0.0489005, 4.15697e-6])
    torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-3)
