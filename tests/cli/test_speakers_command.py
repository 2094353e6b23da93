"""A conversation becomes a file for each speaker: models of the catalogue, from a loopback Hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import Result

from stemsplit.hub import resolve as resolve_module
from stemsplit.hub.catalog import load_catalog
from tests.audio.songs import write_sndfile
from tests.cli.conftest import Stemsplit
from tests.hub.loopback import running_hub
from tests.hub.published_layouts import publish
from tests.models.parity import noise
from tests.models.toy_speakers import PitchKnower

Split = Callable[..., Result]


@pytest.fixture
def split(
    stemsplit: Stemsplit, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Split]:
    """Runs `separate talk.wav` with a model of the catalogue that the Hub has in small."""
    talk = 0.1 * noise(2, 7 * 44100).numpy()
    write_sndfile(workplace / "talk.wav", talk, sample_rate=44100, subtype="FLOAT")

    def run(name: str, *arguments: str, command: str = "separate") -> Result:
        entry = load_catalog()[name]
        (workplace / "made").mkdir(exist_ok=True)
        catalog = {**load_catalog(), name: publish(entry, hub, workplace / "made")}
        monkeypatch.setattr(resolve_module, "load_catalog", lambda: catalog)
        return stemsplit(command, "talk.wav", "-m", name, "-o", "out", *arguments)

    with running_hub(tmp_path / "hf_home", monkeypatch) as hub:
        yield run


def stems(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.stem: soundfile.read(path, dtype="float32", always_2d=True)[0].T
        for path in folder.rglob("*.wav")
    }


@pytest.mark.parametrize(
    ("name", "num_speakers"), [("speakers2", 2), ("speakers3", 3), ("speakers2_8k", 2)]
)
def test_each_speaker_is_a_file(
    name: str, num_speakers: int, split: Split, workplace: Path
) -> None:
    result = split(name)
    assert result.exit_code == 0, result.stderr
    assert "heard the mean of the 2 channels" in " ".join(result.stderr.split())
    found = stems(workplace / "out")
    assert found.keys() == {f"speaker{number + 1}" for number in range(num_speakers)}
    for speaker in found.values():
        assert speaker.shape == (2, 7 * 44100)
        np.testing.assert_array_equal(speaker[0], speaker[1])
        assert abs(speaker).max() > 1e-4
    (record,) = (workplace / "out").rglob("stemsplit.json")
    assert name in json.dumps(json.loads(record.read_text()))


@pytest.mark.parametrize("name", ["speakers2", "speakers2_8k"])
def test_the_speaker_of_a_reference_is_a_file(
    name: str, split: Split, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "stemsplit.engine.speaker_selection.load_embedding", lambda _: PitchKnower()
    )
    result = split(
        name, "--reference", "talk.wav", "--residual", "--bit-depth", "32f", command="extract"
    )
    assert result.exit_code == 0, result.stderr
    found = stems(workplace / "out")
    assert found.keys() == {"target", "rest"}
    assert abs(found["target"]).max() > 1e-4
    talk, _ = soundfile.read(workplace / "talk.wav", dtype="float32")
    np.testing.assert_allclose(found["target"] + found["rest"], talk.T, atol=1e-6)


def test_without_the_network_that_knows_voices_nothing_is_chosen(
    split: Split, workplace: Path
) -> None:
    result = split("speakers2", "--reference", "talk.wav", command="extract")
    assert result.exit_code == 3
    assert "Resemblyzer==0.1.4" in " ".join(result.stderr.split())
    assert not (workplace / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dccrn", "dprnn", "dptnet"])
def test_a_voice_is_freed_of_noise(name: str, split: Split, workplace: Path) -> None:
    result = split(name, "--bit-depth", "32f")
    assert result.exit_code == 0, result.stderr
    found = stems(workplace / "out")
    assert found.keys() == {"speech", "noise"}
    talk, _ = soundfile.read(workplace / "talk.wav", dtype="float32")
    np.testing.assert_allclose(found["speech"] + found["noise"], talk.T, atol=1e-6)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--shifts", "2"), "nothing to average. Leave --shifts out"),
        (("--overlap", "0"), "where chunks overlap. Leave --overlap out"),
    ],
)
def test_what_would_mix_speakers_up_is_refused(
    option: tuple[str, str], message: str, split: Split
) -> None:
    result = split("speakers2", *option)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_the_catalogue_counts_speakers(stemsplit: Stemsplit) -> None:
    rows = [line.split("\t") for line in stemsplit("models", "list").stdout.splitlines()]
    assert {row[0]: row[1] for row in rows}["speakers3"] == "3 speakers"
    assert "speaker1, speaker2" in stemsplit("models", "show", "speakers2").stdout
