"""What a page can play of a file, and the copies that it carries of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stemsplit.audio.source import probe, read_blocks
from stemsplit.report.busiest import busiest_range
from stemsplit.report.clips import Clip, compressed_copy
from tests.audio.songs import Samples, band_noise, tone, write_pyav, write_sndfile


def read(path: Path) -> torch.Tensor:
    return torch.cat(list(read_blocks(path)), dim=-1)


@pytest.mark.parametrize(
    ("name", "subtype", "exact"),
    [
        ("a.wav", "PCM_16", True),
        ("a.wav", "PCM_24", True),
        ("a.wav", "FLOAT", True),
        ("a.wav", "DOUBLE", False),
        ("a.wav", "IMA_ADPCM", False),
        ("a.flac", "PCM_24", True),
        ("a.ogg", "VORBIS", True),
        ("a.aiff", "PCM_16", False),
        ("a.mp3", None, False),
        ("a.opus", None, False),
        ("a.m4a", None, False),
    ],
)
def test_only_what_plays_to_the_sample_is_referred_to(
    tmp_path: Path, name: str, subtype: str | None, exact: bool
) -> None:
    codecs = {"a.mp3": "libmp3lame", "a.opus": "libopus", "a.m4a": "aac"}
    path = tmp_path / name
    if name in codecs:
        rate = 48_000 if name == "a.opus" else 44_100
        write_pyav(path, tone(20_000), codec=codecs[name], sample_rate=rate)
    else:
        write_sndfile(path, tone(20_000), subtype=subtype)
    assert Clip.of(path, duration_seconds=0.1).plays_exactly is exact


def test_surround_is_not_referred_to(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(20_000, num_channels=6))
    clip = Clip.of(path, duration_seconds=0.1)
    assert not clip.plays_exactly
    (tmp_path / "copy.m4a").write_bytes(compressed_copy(clip))
    assert probe(tmp_path / "copy.m4a").num_channels == 2


@pytest.mark.parametrize(("start", "seconds"), [(0.0, 1.0), (0.25, 0.5), (0.9, 0.5), (5.0, 0.1)])
def test_a_clip_is_a_part_of_the_file(tmp_path: Path, start: float, seconds: float) -> None:
    samples = tone(44_100)
    path = write_sndfile(tmp_path / "a.wav", samples, subtype="FLOAT")
    clip = Clip.of(path, start_seconds=start, duration_seconds=seconds)
    blocks = [*clip.blocks(), torch.zeros(2, 0)]
    expected = samples[:, round(start * 44_100) :][:, : round(seconds * 44_100)]
    np.testing.assert_array_equal(torch.cat(blocks, dim=-1).numpy(), expected)


@pytest.mark.parametrize(
    ("sample_rate", "copy_rate"),
    [(44_100, 44_100), (48_000, 48_000), (88_200, 44_100), (96_000, 48_000), (8000, 48_000)],
)
def test_a_copy_has_the_clips_length_and_sound(
    tmp_path: Path, sample_rate: int, copy_rate: int
) -> None:
    noise = band_noise(sample_rate, top_hz=3000, sample_rate=sample_rate, num_channels=2)
    path = write_sndfile(tmp_path / "a.wav", noise, sample_rate=sample_rate)
    clip = Clip.of(path, start_seconds=0.25, duration_seconds=0.5)
    (tmp_path / "copy.m4a").write_bytes(compressed_copy(clip))
    copy = read(tmp_path / "copy.m4a")
    assert probe(tmp_path / "copy.m4a").sample_rate == copy_rate
    assert copy.shape == (2, copy_rate // 2)
    step = max(1, sample_rate // copy_rate)
    wanted = torch.cat(list(clip.blocks()), dim=-1)[:, ::step]
    heard = copy[:, :: max(1, copy_rate // sample_rate)]
    error = (wanted - heard[:, : wanted.shape[-1]]).square().mean() / wanted.square().mean()
    assert 10 * error.log10() < -15  # a copy that is off by a few samples is at about 0 dB


def test_a_copy_of_a_file_that_is_too_short_is_filled_up(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(10_000, num_channels=1))
    clip = Clip.of(path, duration_seconds=0.5)
    (tmp_path / "copy.m4a").write_bytes(compressed_copy(clip))
    assert read(tmp_path / "copy.m4a").shape == (1, 22_050)


def song(seconds: int, loud: range, busy: range) -> Samples:
    """A song that hums all the time, loudly for a while, and drums in another."""
    time = np.arange(seconds * 8000) / 8000
    samples = 0.05 * np.sin(2 * np.pi * 110 * time)
    second = time.astype(int)
    samples[np.isin(second, loud)] *= 8
    noise = np.random.default_rng(0).standard_normal(len(time))
    beats = np.exp(-30 * (time % 0.25))
    samples += np.where(np.isin(second, busy), 0.2 * noise * beats, 0)
    return samples[None].astype(np.float32)


def test_the_busiest_part_is_where_most_begins(tmp_path: Path) -> None:
    samples = song(60, loud=range(5, 15), busy=range(30, 42))
    path = write_sndfile(tmp_path / "a.wav", samples, sample_rate=8000)
    assert busiest_range(path, seconds=12) == (30.0, 42.0)
    start, end = busiest_range(path)
    assert 22 <= start <= 30
    assert end == start + 20


@pytest.mark.parametrize("num_samples", [1, 4000, 160_000])
def test_a_short_song_is_taken_whole(tmp_path: Path, num_samples: int) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(num_samples), sample_rate=8000)
    assert busiest_range(path) == (0.0, None)


def test_silence_has_a_busiest_part_too(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", np.zeros((1, 30 * 8000)), sample_rate=8000)
    assert busiest_range(path) == (0.0, 20.0)
