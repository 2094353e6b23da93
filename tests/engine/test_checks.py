from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.checks import Checks
from stemsplit.engine.meters import TrackMeters
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.evaluate.demo_song import make_demo_song
from stemsplit.models.spectral.model import SpectralSeparator
from tests.engine.toy_models import STEMS, GainModel, model_of
from tests.engine.tracks import Track, noise


@pytest.fixture(scope="module")
def song() -> dict[str, Tensor]:
    return make_demo_song(duration_seconds=6)


def check(
    stems: Mapping[str, Tensor], mixture: Tensor | None = None, *, complete: bool = True
) -> Checks:
    """The checks of an estimate; without a mixture, of one that the stems add up to."""
    separated = torch.stack(list(stems.values()))
    meters = TrackMeters(
        outputs=list(stems),
        stems=list(stems),
        complete=complete,
        channels=("FL", "FR"),
        sample_rate=44100,
    )
    meters.add(separated.sum(dim=0) if mixture is None else mixture, separated, separated)
    return meters.checks()


def separate(mixture: Mixture, *, options: SeparationOptions | None = None) -> Checks:
    track = Track(
        mixture,
        model_of(GainModel()),
        choose_runtime(device="cpu"),
        options or SeparationOptions(),
    )
    for _ in track.blocks():
        pass
    return track.checks


def test_a_good_separation_raises_no_suspicion(song: dict[str, Tensor]) -> None:
    checks = check(song)
    assert checks.suspicions == checks.notes == ()
    assert set(checks.stems) == set(STEMS)
    assert checks.mixture.peak_dbfs == pytest.approx(-0.9, abs=0.1)
    for stem in checks.stems.values():
        assert stem.loudness_lufs is not None
        assert checks.mixture.loudness_lufs is not None
        assert -30 < stem.loudness_lufs < checks.mixture.loudness_lufs < -10
    assert set(checks.correlation) == {
        *("bass+drums", "drums+other", "drums+vocals"),
        *("bass+other", "bass+vocals", "other+vocals"),
    }
    assert all(abs(value or 0) < 0.1 for value in checks.correlation.values())


@pytest.mark.parametrize("solo", [None, *STEMS])
def test_a_weak_model_is_no_failure(song: dict[str, Tensor], solo: str | None) -> None:
    """All instruments together and each alone, taken apart by the built-in model."""
    mixture = torch.stack(list(song.values())).sum(dim=0) if solo is None else song[solo]
    track = Track(
        Mixture.from_array(mixture, 44100),
        model_of(SpectralSeparator()),
        choose_runtime(device="cpu"),
        SeparationOptions(),
    )
    for _ in track.blocks():
        pass
    assert track.checks.suspicions == ()


def test_an_instrumental_and_a_piano_piece_are_no_failures(song: dict[str, Tensor]) -> None:
    silence = torch.zeros_like(song["vocals"])
    instrumental = check({**song, "vocals": silence})
    assert instrumental.suspicions == ()
    assert instrumental.stems["vocals"].silent
    assert instrumental.stems["vocals"].loudness_lufs is None
    assert instrumental.correlation["drums+vocals"] is None
    piano = song["other"]
    faint = 0.05 * piano  # bleeds into the others, and is nothing else
    stems = {"drums": faint, "bass": silence, "other": piano - faint, "vocals": silence}
    assert check(stems).suspicions == ()


def test_stems_that_do_not_add_up_are_suspicious(song: dict[str, Tensor]) -> None:
    mixture = torch.stack(list(song.values())).sum(dim=0)
    poor = {name: 0.7 * stem for name, stem in song.items()}
    assert check(poor, mixture).suspicions == ()
    broken = {name: 0.2 * stem for name, stem in song.items()}
    checks = check(broken, mixture)
    assert checks.residual_db == pytest.approx(20 * math.log10(0.8), abs=1e-3)
    assert checks.suspicions == ("The stems leave over -1.9 dB of the song.",)


def test_a_missing_stem_is_no_reason_to_suspect_the_others(song: dict[str, Tensor]) -> None:
    mixture = torch.stack(list(song.values())).sum(dim=0)
    silence = torch.zeros_like(mixture)
    checks = check({"vocals": 0.1 * song["vocals"]}, mixture, complete=False)
    assert checks.residual_db is None
    assert checks.suspicions == ()
    # A model with one stem leaves over everything else.
    assert check({"vocals": silence}, mixture).suspicions == ()


def test_nothing_at_all_is_suspicious_unless_the_song_is_silent(song: dict[str, Tensor]) -> None:
    silence = torch.zeros_like(song["drums"])
    stems = dict.fromkeys(STEMS, silence)
    assert check(stems, song["drums"]).suspicions == ("All stems are silent, and the song is not.",)
    checks = check(stems, silence)
    assert checks.suspicions == ()
    assert checks.mixture.silent
    assert checks.residual_db is None


def test_a_stem_louder_than_the_song_is_suspicious(song: dict[str, Tensor]) -> None:
    mixture = song["other"]
    checks = check({"vocals": 3 * song["other"]}, mixture, complete=False)
    assert checks.suspicions == ("vocals is 9.5 dB louder than the whole song.",)


@pytest.mark.parametrize("sign", [1, -1])
def test_stems_that_are_the_same_are_suspicious(song: dict[str, Tensor], sign: int) -> None:
    stems = {**song, "bass": sign * 0.5 * song["drums"]}
    checks = check(stems)
    assert checks.correlation["bass+drums"] == pytest.approx(sign, abs=1e-5)
    text = f"drums and bass are nearly the same (correlation {sign}.00)."
    assert checks.suspicions == (text,)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_numbers_are_suspicious_and_stay_out_of_json(
    song: dict[str, Tensor], value: float
) -> None:
    broken = song["bass"].clone()
    broken[0, 1000] = value
    checks = check({**song, "bass": broken}, song["drums"])
    assert checks.suspicions == ("The stems have samples that are not finite numbers.",)
    assert not checks.stems["bass"].silent
    json.dumps(checks.for_record().to_json(), allow_nan=False)
    assert checks.residual_db is None


def test_a_song_that_is_clipped_throughout_is_noted(song: dict[str, Tensor]) -> None:
    mixture = torch.stack(list(song.values())).sum(dim=0)
    assert check(song, (1.2 * mixture).clamp(-1, 1)).notes == ()
    checks = check(song, (8 * mixture).clamp(-1, 1))
    (note,) = checks.notes
    assert f"The song is clipped in {checks.mixture.num_clipped_runs} places" in note


def test_the_size_of_the_blocks_does_not_matter(song: dict[str, Tensor]) -> None:
    separated = torch.stack(list(song.values()))
    results = []
    for size in (1_000, 44_100, 1_000_000):
        meters = TrackMeters(
            outputs=STEMS, stems=STEMS, complete=True, channels=("FL", "FR"), sample_rate=44100
        )
        for block in torch.split(separated, size, dim=-1):
            meters.add(block.sum(dim=0), block, block)
        results.append(meters.checks().for_record().to_json())
    assert results[0] == results[1] == results[2]


def test_outputs_and_mixture_are_measured_as_they_are_written() -> None:
    audio = noise(50_000)
    options = SeparationOptions(two_stems="drums", mixes=("both = drums + 2*bass",))
    checks = separate(Mixture.from_array(audio, 44100), options=options)
    assert list(checks.stems) == ["drums", "no_drums", "both"]
    peak = 20 * math.log10(audio.abs().max())
    assert checks.mixture.peak_dbfs == pytest.approx(peak, abs=1e-3)
    # The toy model's gains are 0.4 for the drums and 0.3 for the bass.
    for name, gain in {"drums": 0.4, "no_drums": 0.6, "both": 1.0}.items():
        found = checks.stems[name]
        assert found.peak_dbfs == pytest.approx(peak + 20 * math.log10(gain), abs=1e-3)
        assert found.loudness_lufs is not None
        assert checks.mixture.loudness_lufs is not None
        expected = checks.mixture.loudness_lufs + 20 * math.log10(gain)
        assert found.loudness_lufs == pytest.approx(expected, abs=1e-3)
    assert list(checks.correlation) == ["bass+drums"]


@pytest.mark.parametrize("length", [0, 1, 999, 1001])
@pytest.mark.parametrize("num_channels", [1, 2, 6])
def test_every_song_can_be_checked(length: int, num_channels: int) -> None:
    checks = separate(Mixture.from_array(noise(length, num_channels), 44100))
    values = json.loads(json.dumps(checks.for_record().to_json(), allow_nan=False))
    assert set(values) == {"stems", "mixture", "correlation", "suspicions"}
    assert set(values["stems"]) == set(STEMS)
    assert values["mixture"]["silent"] == (length == 0)
    for row in (values["mixture"], *values["stems"].values()):
        assert set(row) == {
            *("loudness_lufs", "peak_dbfs", "silent"),
            *("num_clipped", "num_clipped_runs"),
        }
        assert row["loudness_lufs"] is None  # shorter than 0.4 s
        assert (row["peak_dbfs"] is None) == (length == 0)
