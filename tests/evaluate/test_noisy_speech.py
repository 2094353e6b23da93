"""Noise is mixed to speech at the ratio that was asked for, and always in the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.noisy_speech import (
    NoisyTrack,
    make_demo_speech,
    mix_noisy_speech,
    plan_noisy_speech,
)
from tests.audio.songs import write_sndfile
from tests.evaluate.trees import stem_samples, write


def ratio_db(parts: dict[str, Tensor]) -> float:
    speech, noise = (parts[name].double().square().sum() for name in ("speech", "noise"))
    return float(10 * torch.log10(speech / noise))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    clean, noise = tmp_path / "clean", tmp_path / "noise"
    write(clean / "a.wav", stem_samples(1, num_channels=1))
    write(clean / "b" / "c.wav", stem_samples(2, num_samples=9000))
    write(noise / "long.wav", stem_samples(3, num_samples=50_000), 16_000)
    write(noise / "short.flac", stem_samples(4, num_samples=1000, num_channels=1))
    (noise / "notes.txt").write_text("no noise")
    return clean, noise


def plan(folders: tuple[Path, Path], *snrs_db: float, seed: int = 0) -> list[NoisyTrack]:
    return plan_noisy_speech(*folders, snrs_db=snrs_db, seed=seed)


def test_every_recording_is_there_with_every_ratio(folders: tuple[Path, Path]) -> None:
    tracks = plan(folders, 0, 2.5, 2.5, -5)
    assert [track.name for track in tracks] == [
        *(f"{name}_{snr}dB" for name in ("a", "b/c") for snr in ("0", "2.5", "-5"))
    ]
    for track in tracks:
        parts, sample_rate = mix_noisy_speech(track)
        assert sample_rate == 8000
        assert ratio_db(parts) == pytest.approx(track.snr_db, abs=1e-4)
        assert torch.equal(parts["mixture"], parts["speech"] + parts["noise"])
        assert len({part.shape for part in parts.values()}) == 1


def test_the_seed_decides(folders: tuple[Path, Path]) -> None:
    snrs_db = range(20)
    first, same, other = (plan(folders, *snrs_db, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other
    assert {track.noise.name for track in first} == {"long.wav", "short.flac"}
    assert torch.equal(
        mix_noisy_speech(first[0])[0]["noise"], mix_noisy_speech(same[0])[0]["noise"]
    )


def test_the_level_of_speech_is_kept_unless_it_would_clip(tmp_path: Path) -> None:
    tone = (0.5 * np.sin(np.arange(8000) / 3))[None].astype(np.float32)
    speech = write_sndfile(tmp_path / "s.wav", tone, sample_rate=8000, subtype="FLOAT")
    noise = write(tmp_path / "n.wav", stem_samples(0, num_samples=8000))
    track = NoisyTrack(name="t", speech=speech, noise=noise, snr_db=20, noise_start=0.0)
    parts, _ = mix_noisy_speech(track)
    assert torch.equal(parts["speech"], torch.from_numpy(tone))
    loud, _ = mix_noisy_speech(replace(track, snr_db=-20))
    assert loud["mixture"].abs().max().item() == pytest.approx(0.99)
    assert ratio_db(loud) == pytest.approx(-20, abs=1e-4)


def test_where_the_noise_begins(tmp_path: Path) -> None:
    ramp = (np.arange(1, 10_001) / 20_000)[None].astype(np.float32)
    noise = write_sndfile(tmp_path / "n.wav", ramp, sample_rate=8000, subtype="FLOAT")
    speech = write(tmp_path / "s.wav", stem_samples(0, num_channels=1))  # 6000 samples
    for share, start in ((0.0, 0), (0.5, 2000), (0.9999, 3999)):
        track = NoisyTrack(name="t", speech=speech, noise=noise, snr_db=60, noise_start=share)
        heard = mix_noisy_speech(track)[0]["noise"][0]
        expected = torch.from_numpy(ramp[0, start : start + 6000])
        assert torch.allclose(heard / heard[0], expected / expected[0], rtol=1e-5)
    short = write_sndfile(tmp_path / "m.wav", ramp[:, :2500], sample_rate=8000, subtype="FLOAT")
    track = NoisyTrack(name="t", speech=speech, noise=short, snr_db=60, noise_start=0.4)
    heard = mix_noisy_speech(track)[0]["noise"][0]
    assert torch.equal(heard[2500:5000], heard[:2500])  # it is repeated
    assert heard.argmin() == 1000


def test_what_cannot_be_mixed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    clean, noise = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"There are no recordings in .*empty"):
        plan_noisy_speech(tmp_path / "empty", noise, snrs_db=[0], seed=0)
    for snr_db in (float("nan"), 101, -1e9):
        with pytest.raises(UsageError, match="`snr` must be between -100 and 100 dB"):
            plan(folders, snr_db)
    silent = write(clean / "silent.wav", np.zeros((1, 100), np.float32))
    (track,) = (track for track in plan(folders, 0) if track.speech == silent)
    with pytest.raises(AudioReadError, match=r"silent\.wav is silent"):
        mix_noisy_speech(track)
    with pytest.raises(AudioReadError, match=r"silent\.wav is silent"):
        mix_noisy_speech(replace(track, speech=clean / "a.wav", noise=silent))
    empty = write(clean / "empty.wav", np.zeros((1, 0), np.float32))
    for changed in (replace(track, speech=empty), replace(track, noise=empty)):
        with pytest.raises(AudioReadError, match="is silent"):
            mix_noisy_speech(changed)


def test_two_recordings_of_one_name_keep_their_endings(folders: tuple[Path, Path]) -> None:
    write(folders[0] / "a.flac", stem_samples(5))
    names = [track.name for track in plan(folders, 0)]
    assert names == ["a.flac_0dB", "a.wav_0dB", "b/c_0dB"]


@pytest.mark.slow
def test_the_synthetic_voice_and_noise() -> None:
    parts, sample_rate = make_demo_speech(3)
    assert {name: part.shape for name, part in parts.items()} == {
        "speech": (1, 10 * sample_rate),
        "noise": (1, 10 * sample_rate),
    }
    assert all(0.1 < part.abs().max() < 1 for part in parts.values())
    assert torch.equal(make_demo_speech(3)[0]["noise"], parts["noise"])
    assert not torch.equal(make_demo_speech(4)[0]["noise"], parts["noise"])
