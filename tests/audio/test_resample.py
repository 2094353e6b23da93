"""Streamed conversion equals one-shot conversion, and there and back is aligned."""

from __future__ import annotations

import math
import sys

import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.audio import resample
from stemsplit.audio.resample import MAX_SAMPLE_RATE, resample_blocks, resampled_length
from stemsplit.errors import AudioError, AudioReadError
from tests.audio.songs import band_noise

RATES = [8000, 11025, 16000, 22050, 32000, 48000, 88200, 96000, 176_400, 192_000]


def convert(audio: Tensor, from_rate: int, to_rate: int, block_samples: int = 10_000) -> Tensor:
    blocks = audio.split(block_samples, dim=-1) if audio.shape[-1] else []
    converted = resample_blocks(blocks, from_rate=from_rate, to_rate=to_rate)
    return torch.cat([audio[:, :0], *converted], dim=-1)


def one_shot(audio: Tensor, from_rate: int, to_rate: int) -> Tensor:
    return torchaudio.functional.resample(
        audio,
        from_rate,
        to_rate,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )


@pytest.mark.parametrize(("from_rate", "to_rate"), [*((r, 44100) for r in RATES), (44100, 48000)])
@pytest.mark.parametrize("num_samples", [1, 999, 1000, 1001, 20_000])
def test_stream_equals_one_shot(
    from_rate: int, to_rate: int, num_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Segments are short here, so that there are many seams.
    monkeypatch.setattr(resample, "_SEGMENT_SAMPLES", 1000)
    generator = torch.Generator().manual_seed(0)
    audio = torch.rand(2, num_samples, generator=generator) * 2 - 1
    # In float64: torchaudio computes the filter in the precision of the audio, and in float32 that
    # alone costs 5e-6. `resample_blocks` always has it from float64.
    expected = one_shot(audio.double(), from_rate, to_rate).float()
    streamed = convert(audio, from_rate, to_rate, block_samples=700)
    assert streamed.shape == expected.shape
    # float32 sums of up to 1230 products; results go up to 1.4.
    torch.testing.assert_close(streamed, expected, rtol=0, atol=2e-6)


@settings(max_examples=15)
@given(block_samples=st.integers(1, 2500), num_samples=st.integers(0, 2000))
def test_block_size_makes_no_difference(block_samples: int, num_samples: int) -> None:
    audio = torch.rand(1, num_samples, generator=torch.Generator().manual_seed(1))
    whole = convert(audio, 48000, 44100, block_samples=num_samples or 1)
    assert torch.equal(convert(audio, 48000, 44100, block_samples), whole)


@pytest.mark.parametrize("rate", RATES)
def test_there_and_back_is_aligned(rate: int) -> None:
    top_hz = 0.8 * min(rate, 44100) / 2
    audio = torch.from_numpy(band_noise(60_000, top_hz=top_hz, sample_rate=44100))
    back = convert(convert(audio, 44100, rate), rate, 44100)[:, : audio.shape[-1]]
    residual_db = 10 * math.log10((back - audio).square().mean() / audio.square().mean())
    assert residual_db < -90


def test_silence_stays_silent_and_length_is_rounded_up() -> None:
    converted = convert(torch.zeros(2, 100_001), 48000, 44100)
    assert converted.shape == (2, math.ceil(100_001 * 44100 / 48000))
    assert not converted.any()


@given(
    num_samples=st.integers(0, 10**12),
    from_rate=st.integers(1, MAX_SAMPLE_RATE),
    to_rate=st.integers(1, MAX_SAMPLE_RATE),
)
def test_length_is_the_smallest_that_covers_the_duration(
    num_samples: int, from_rate: int, to_rate: int
) -> None:
    length = resampled_length(num_samples, from_rate, to_rate)
    assert (length - 1) * from_rate < num_samples * to_rate <= length * from_rate


def test_equal_rates_pass_blocks_through() -> None:
    blocks = [torch.rand(2, 5), torch.rand(2, 3)]
    passed = list(resample_blocks(blocks, from_rate=44100, to_rate=44100))
    assert all(a is b for a, b in zip(passed, blocks, strict=True))


def test_memory_is_bounded() -> None:
    num_read = 0

    def blocks():  # type: ignore[no-untyped-def]
        nonlocal num_read
        for _ in range(1000):
            num_read += 1
            yield torch.zeros(1, 10_000)

    converted = resample_blocks(blocks(), from_rate=48000, to_rate=44100)
    next(converted)
    # One segment to convert and one to look ahead.
    assert num_read * 10_000 < 3 * 2**16


@pytest.mark.parametrize(("from_rate", "to_rate"), [(0, 44100), (44100, -1), (800_000, 44100)])
def test_rates_out_of_range(from_rate: int, to_rate: int) -> None:
    with pytest.raises(AudioReadError, match=f"{from_rate} Hz cannot .* {to_rate} Hz: rates go"):
        resample_blocks([], from_rate=from_rate, to_rate=to_rate)


@pytest.mark.parametrize("from_rate", [44101, 44056, MAX_SAMPLE_RATE - 1])
def test_ratio_whose_filter_is_huge(from_rate: int) -> None:
    with pytest.raises(AudioReadError, match=f"{from_rate} Hz cannot .* the ratio") as caught:
        resample_blocks([], from_rate=from_rate, to_rate=44100)
    assert "44100" in caught.value.hint


def test_a_torchaudio_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(AudioError, match=r"beside torch 2.*import of torchaudio") as caught:
        convert(torch.zeros(1, 100), 48000, 44100)
    assert "stemsplit doctor" in caught.value.hint
