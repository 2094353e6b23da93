"""`stemsplit denoise`, with a network of 16 kHz that is small and random."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stemsplit.models.demucs_denoiser.config import read_denoiser_config
from stemsplit.models.demucs_denoiser.model import DemucsDenoiser
from tests.audio.songs import write_sndfile
from tests.cli.conftest import Stemsplit
from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES

SMALL = {"hidden": 3, "kernel_size": 12, "depth": 3}
EXACT = ("--bit-depth", "32f")


@pytest.fixture
def network(workplace: Path) -> Path:
    denoiser = DemucsDenoiser(read_denoiser_config(SMALL))
    fill_by_name(denoiser)
    torch.save(denoiser.state_dict(), workplace / "best.th")
    return workplace / "best.th"


@pytest.fixture
def take(workplace: Path) -> Path:
    """Half a second of stereo at 44.1 kHz."""
    voice = torch.cat((TAKES["voice"](22_050), TAKES["voice"](22_050).flip(0) * 0.5))
    return write_sndfile(workplace / "take.wav", voice.numpy(), sample_rate=44100, subtype="FLOAT")


def written(folder: str = "separated") -> dict[str, np.ndarray]:
    files = sorted(Path(folder).rglob("*.wav"))
    return {path.stem: soundfile.read(path, dtype="float32")[0].T for path in files}


def test_only_speech_is_written_and_noise_if_it_is_asked_for(
    stemsplit: Stemsplit, take: Path, network: Path
) -> None:
    result = stemsplit("denoise", take, "-m", network, *EXACT)
    assert result.exit_code == 0, result.stderr
    alone = written()
    assert alone.keys() == {"speech"}
    assert stemsplit("denoise", take, "-m", network, *EXACT, "--residual").exit_code == 0
    both = written()
    assert both.keys() == {"speech", "noise"}
    np.testing.assert_array_equal(alone["speech"], both["speech"])
    song = soundfile.read(take, dtype="float32")[0].T
    np.testing.assert_allclose(both["speech"] + both["noise"], song, atol=1e-6)


def test_it_is_said_once_that_the_network_has_no_highs(
    stemsplit: Stemsplit, take: Path, network: Path
) -> None:
    (take.parent / "other.wav").write_bytes(take.read_bytes() + b"\0\0")
    result = stemsplit("denoise", take, take.parent / "other.wav", "-m", network)
    said = " ".join(result.stderr.split())
    assert said.count("hears nothing above 8 kHz") == 1
    assert {len(channel) for stem in written().values() for channel in stem} == {22_050}


@pytest.mark.parametrize("strength", ["0.75", "12.0412dB", "12.0412 db"])
def test_strength_is_a_share_or_the_most_decibels(
    strength: str, stemsplit: Stemsplit, take: Path, network: Path
) -> None:
    command = ("denoise", take, "-m", network, *EXACT, "--residual")
    assert stemsplit(*command, "-o", "all").exit_code == 0
    assert stemsplit(*command, "-o", "some", "--strength", strength).exit_code == 0
    everything, some = written("all"), written("some")
    song = soundfile.read(take, dtype="float32")[0].T
    expected = 0.25 * song + 0.75 * everything["speech"]
    np.testing.assert_allclose(some["speech"], expected, atol=1e-5)
    np.testing.assert_allclose(some["noise"], 0.75 * everything["noise"], atol=1e-5)


def test_another_strength_redoes_a_take_and_the_same_one_does_not(
    stemsplit: Stemsplit, take: Path, network: Path
) -> None:
    command = ("denoise", take, "-m", network, "--json", "--strength")
    assert stemsplit(*command, "0.5").exit_code == 0
    for strength, skipped in (("0.5", 1), ("0.6", 0)):
        result = stemsplit(*command, strength)
        assert json.loads(result.stdout.splitlines()[-1])["skipped"] == skipped
    (record,) = Path("separated").rglob("stemsplit.json")
    assert json.loads(record.read_text())["fingerprint"]["options"]["strength"] == 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "No song was named. Example: stemsplit denoise take.wav"),
        (("take.wav", "--strength", "much"), "--strength 'much' is no strength."),
        (("take.wav", "--strength", "1.5"), "--strength must be between 0 and 1, got 1.5."),
        (("take.wav", "-m", "htdemucs"), "The model has no stem 'speech'."),
    ],
)
def test_what_cannot_be_is_said_at_once(
    arguments: tuple[str, ...], message: str, stemsplit: Stemsplit, take: Path
) -> None:
    assert take.exists()
    result = stemsplit("denoise", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_the_page_has_both_sounds(stemsplit: Stemsplit, take: Path, network: Path) -> None:
    result = stemsplit("denoise", take, "-m", network, "--residual", "--report", "--no-open")
    assert result.exit_code == 0, result.stderr
    (page_file,) = Path("separated").rglob("take/report.html")
    page = page_file.read_text(encoding="utf-8")
    assert "speech" in page
    assert "noise" in page


def test_a_dry_run_writes_nothing(stemsplit: Stemsplit, take: Path, network: Path) -> None:
    result = stemsplit("denoise", take, "-m", network, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "\tnew\t" in result.stdout
    assert not Path("separated").exists()
