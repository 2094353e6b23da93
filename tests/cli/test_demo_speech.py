"""`stemsplit demo --speech` writes what `stemsplit evaluate` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.audio.songs import write_sndfile
from tests.evaluate.trees import stem_samples, write

Stemsplit = Callable[..., Result]

COMMAND = ("demo", "--speech", "--clean", "voices", "--noise", "noises", "-o", "set")


@pytest.fixture
def recordings(workplace: Path) -> Path:
    for index, name in enumerate(("anna", "ben")):
        write(workplace / "voices" / f"{name}.wav", stem_samples(index, num_channels=1))
    write(workplace / "noises" / "street.wav", stem_samples(9, num_samples=20_000))
    return workplace


@pytest.mark.usefixtures("recordings")
def test_a_noisy_set_is_measured(stemsplit: Stemsplit) -> None:
    result = stemsplit(*COMMAND, "--snr", "0,10", "--seed", "1")
    assert result.exit_code == 0, result.stderr
    assert "4 noisy recordings in set, to be measured with:" in result.stderr
    assert "stemsplit evaluate set -m MODEL --metric si_sdr,si_sdri" in result.stderr
    assert sorted(path.name for path in Path("set").iterdir()) == [
        "anna_0dB",
        "anna_10dB",
        "ben_0dB",
        "ben_10dB",
    ]
    result = stemsplit("evaluate", "set", "--metric", "si_sdr,si_sdri")
    assert result.exit_code == 0, result.stderr
    records = [json.loads(line) for line in Path("evaluation.jsonl").read_text().splitlines()]
    for record in records:
        if record["stem"] == "speech" and record["metric"] == "si_sdr":
            snr_db = float(record["track"].partition("_")[2].removesuffix("dB"))
            # What is alike in voice and noise counts for the voice.
            assert record["value"] == pytest.approx(snr_db, abs=0.5)


@pytest.mark.usefixtures("recordings")
def test_the_same_seed_makes_the_same_files(stemsplit: Stemsplit) -> None:
    for place in ("one", "two"):
        assert stemsplit(*COMMAND[:-1], place, "--snr", "5").exit_code == 0
    for file in Path("one").rglob("*.wav"):
        assert file.read_bytes() == (Path("two") / file.relative_to("one")).read_bytes()


def test_a_recording_that_cannot_be_used_is_passed_over(
    stemsplit: Stemsplit, recordings: Path
) -> None:
    silence = np.zeros((1, 1000), np.float32)
    write_sndfile(recordings / "voices" / "silence.wav", silence, sample_rate=8000)
    (recordings / "voices" / "broken.wav").write_bytes(b"RIFF")
    result = stemsplit(*COMMAND, "--snr", "5")
    assert result.exit_code == 1
    assert "silence.wav is silent" in result.stderr
    assert "broken.wav" in result.stderr
    assert "2 noisy recordings" in result.stderr
    for name in ("anna", "ben"):
        (recordings / "voices" / f"{name}.wav").unlink()
    result = stemsplit(*COMMAND[:-1], "other", "--snr", "5")
    assert result.exit_code == 2
    assert "None of the recordings could be mixed." in result.stderr


@pytest.mark.slow
def test_voice_and_noise_are_made_where_none_are_given(stemsplit: Stemsplit) -> None:
    result = stemsplit("demo", "--speech", "-o", "set", "--snr", "5", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == result.stdout == ""
    files = sorted(path.as_posix() for path in Path("set").rglob("*.wav"))
    assert files == [f"set/speech_5dB/{name}.wav" for name in ("mixture", "noise", "speech")]
