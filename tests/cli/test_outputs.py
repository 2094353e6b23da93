"""Ranges, mixes and surround sound on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsplit.cli.options.wanted import seconds
from stemsplit.errors import UsageError
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

FLOAT = ("-m", "spectral", "--bit-depth", "32f")


def read(name: str, folder: str = "separated/spectral/song") -> np.ndarray:
    samples: np.ndarray = soundfile.read(Path(folder) / f"{name}.wav", dtype="float32")[0]
    return samples  # [T, C]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("83.5", 83.5), (".25", 0.25), ("1:23.5", 83.5), ("0:01:02", 62), ("90:00", 5400)],
)
def test_times_are_seconds_or_as_on_a_player(text: str, value: float) -> None:
    assert seconds("--start", text) == value


@pytest.mark.parametrize("text", ["", "x", "-1", "1:", "1:2:3:4", "1e3", "nan", "1,5"])
def test_other_times_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match=r"--end .* is no time\. Use seconds such as 83\.5"):
        seconds("--end", text)


def test_a_range_is_cut_to_the_sample(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, *FLOAT, "-o", "whole").exit_code == 0
    result = stemsplit(song, *FLOAT, "--start", "0.1", "--end", "0:00.3")
    assert result.exit_code == 0, result.stderr
    for stem in ("drums", "vocals"):
        whole = read(stem, "whole/spectral/song")
        assert np.array_equal(read(stem), whole[4410:13230])
    record = json.loads(Path("separated/spectral/song/stemsplit.json").read_text())
    assert record["num_samples"] == 8820
    assert record["input"]["num_samples"] == 22_050
    assert "already done" in stemsplit(song, *FLOAT, "--start", "0.1", "--end", "0.3").stdout


def test_a_range_after_the_song_fails_and_one_over_its_end_is_noted(
    stemsplit: Stemsplit, song: Path
) -> None:
    late = stemsplit(song, *FLOAT, "--start", "5")
    assert late.exit_code == 1
    assert "song.wav is 0.50 s long, and --start is 5 s" in late.stderr
    over = stemsplit(song, *FLOAT, "--start", "0.4", "--end", "9")
    assert over.exit_code == 0
    assert "--end 9 s is after the end of song.wav" in over.stderr
    assert stemsplit(song, *FLOAT, "--start", "2", "--end", "1").exit_code == 2


def test_mixes_are_written_alone_and_beside_the_stems_that_are_named(
    stemsplit: Stemsplit, song: Path
) -> None:
    mixes = ("--mix", "practice = mixture - drums", "--mix", "half voice = 0.5*vocals")
    assert stemsplit(song, *FLOAT, *mixes, "-o", "mixes").exit_code == 0
    names = {path.stem for path in Path("mixes").rglob("*.wav")}
    assert names == {"practice", "half voice"}
    assert stemsplit(song, *FLOAT, *mixes, "--stems", "drums,vocals").exit_code == 0
    mixture = soundfile.read(song, dtype="float32")[0]
    assert np.abs(read("practice") - (mixture - read("drums"))).max() < 1e-6
    assert np.array_equal(read("half voice"), read("vocals") / 2)


def test_a_mix_of_unknown_stems_is_found_before_any_work(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, *FLOAT, "--mix", "x = mixture - vocal")
    assert result.exit_code == 2
    assert "no stem 'vocal'. Did you mean vocals?" in result.stderr
    assert not Path("separated").exists()


def test_stems_that_sum_to_the_mix(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, *FLOAT, "--sum-to-mix").exit_code == 0
    total = sum(read(stem) for stem in ("drums", "bass", "other", "vocals"))
    assert np.abs(total - soundfile.read(song)[0]).max() < 1e-6


@pytest.mark.parametrize("arguments", [(), ("--lfe", "drums")])
def test_surround_sound_stays_surround_sound(
    stemsplit: Stemsplit, workplace: Path, arguments: tuple[str, ...]
) -> None:
    samples = tone(22_050, num_channels=6)
    song = write_sndfile(workplace / "song.wav", samples, container="WAVEX", subtype="FLOAT")
    result = stemsplit(song, *FLOAT, "--residual", *arguments)
    assert result.exit_code == 0, result.stderr
    owner = "drums" if arguments else "bass"
    assert f"separated as FL+FR, FC, BL+BR; LFE went to {owner} as it is." in result.stderr
    outputs = {path.stem: read(path.stem) for path in Path("separated").rglob("*.wav")}
    assert len(outputs) == 5
    assert np.abs(sum(outputs.values()) - samples.T).max() < 1e-6
    for name, output in outputs.items():
        assert output.shape == (22_050, 6)
        assert np.array_equal(output[:, 3], samples[3]) == (name == owner)
