"""Waveforms and spectrograms, and the PNG that carries them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from stemsplit.report.pictures import (
    HIGHEST_HZ,
    LOWEST_HZ,
    NUM_BANDS,
    NUM_LEVELS,
    SoundPicture,
    draw,
    outline,
    shade,
    top_energy,
)
from stemsplit.report.png import mask_png
from tests.audio.songs import tone

RATE = 44_100


def draw_at_once(samples: Tensor, sample_rate: int = RATE) -> SoundPicture:
    return draw([samples], sample_rate=sample_rate, num_samples=samples.shape[-1])


@pytest.mark.parametrize("num_samples", [1, 2, 799, 801, 5000, 30_000])
def test_the_picture_does_not_depend_on_the_blocks(num_samples: int) -> None:
    samples = torch.from_numpy(tone(num_samples))
    whole = draw_at_once(samples)
    for size in (1, 77, 4096):
        if num_samples // size > 1000:
            continue
        pieces = draw(samples.split(size, dim=-1), sample_rate=RATE, num_samples=num_samples)
        np.testing.assert_array_equal(pieces.low, whole.low)
        np.testing.assert_array_equal(pieces.high, whole.high)
        np.testing.assert_allclose(pieces.energy, whole.energy, rtol=1e-4, atol=1e-12)


def test_the_outline_holds_every_peak() -> None:
    samples = torch.zeros(2, 100_000)
    samples[0, 50_000], samples[1, 70_000] = 0.8, -0.4
    picture = draw_at_once(samples)
    (high,), (low,) = np.flatnonzero(picture.high), np.flatnonzero(picture.low)
    assert picture.high[high] == pytest.approx(0.8)
    assert picture.low[low] == pytest.approx(-0.4)
    assert high / len(picture.high) == pytest.approx(0.5, abs=2e-3)
    assert low / len(picture.low) == pytest.approx(0.7, abs=2e-3)
    pairs = np.frombuffer(outline(picture, peak=picture.peak), np.int8).reshape(-1, 2)
    assert pairs[high, 1] == 127
    assert pairs[low, 0] == round(-127 * 0.5**0.6)


@pytest.mark.parametrize("hertz", [50, 100, 440, 1000, 5000, 15_000])
@pytest.mark.parametrize("sample_rate", [44_100, 96_000])
def test_a_tone_is_drawn_at_its_pitch(hertz: float, sample_rate: int) -> None:
    seconds = torch.arange(2 * sample_rate) / sample_rate
    samples = torch.sin(2 * torch.pi * hertz * seconds)[None]
    picture = draw_at_once(samples, sample_rate)
    middle = picture.energy[:, picture.energy.shape[1] // 2]
    centres = np.geomspace(LOWEST_HZ, HIGHEST_HZ, NUM_BANDS + 2)[1:-1]
    assert abs(np.log2(centres[middle.argmax()] / hertz)) < 0.15
    levels = shade(picture, top=top_energy([picture]))
    assert levels.max() == NUM_LEVELS - 1
    # High tones are at the top of the picture.
    column = levels[:, levels.shape[1] // 2]
    assert column[NUM_BANDS - 1 - middle.argmax()] == column.max()


def test_pink_noise_is_even() -> None:
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(1, 8 * RATE, generator=generator))
    pink = torch.fft.irfft(spectrum / torch.arange(1, spectrum.shape[-1] + 1).sqrt())
    mean = draw_at_once(pink).energy.mean(axis=1)  # [bands]
    audible = 10 * np.log10(mean[20:110])
    assert audible.std() < 1.0
    assert abs(np.polyfit(np.arange(len(audible)), audible, 1)[0] * len(audible)) < 2.0


def test_silence_is_clear_and_missing_samples_are_silence() -> None:
    silence = draw_at_once(torch.zeros(2, 30_000))
    assert not shade(silence, top=top_energy([silence])).any()
    assert outline(silence, peak=silence.peak) == bytes(2 * len(silence.low))
    short = draw([torch.ones(1, 1000)], sample_rate=RATE, num_samples=10_000)
    assert short.num_samples == 1000
    assert not short.high[len(short.high) // 5 :].any()


def read_mask(png: bytes) -> NDArray[np.uint8]:
    """The opacities [height, width] of a PNG of ours, read as the specification says."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    pieces: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        content = png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", png, at + 8 + length)
        assert checksum == zlib.crc32(kind + content)
        pieces[kind] = content
        at += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", pieces[b"IHDR"])
    assert rest == [8, 3, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(pieces[b"IDAT"]), np.uint8).reshape(height, width + 1)
    indices = np.zeros((height, width), np.uint8)
    for y, row in enumerate(rows):
        above = indices[y - 1] if y else np.zeros(width, np.uint8)
        indices[y] = row[1:] + (above if row[0] == 2 else 0)
    return np.frombuffer(pieces[b"tRNS"], np.uint8)[indices]


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_mask_is_a_png(height: int, width: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 32, (height, width), dtype=np.uint8)
    opacities = read_mask(mask_png(levels, num_levels=32))
    np.testing.assert_array_equal(opacities, levels.astype(int) * 255 // 31)
