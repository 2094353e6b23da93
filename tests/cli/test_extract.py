"""`stemsplit extract`, with a toy that listens: it takes the loudness of the voice for a gain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from stemsplit.models.spec import Model, ModelSpec
from tests.audio.songs import write_sndfile
from tests.cli.conftest import Stemsplit
from tests.engine.toy_models import GainModel
from tests.golden.make_spexplus import SETTINGS
from tests.models.published_spexplus import published_tensors
from tests.models.toy_speakers import PITCHES_HZ, Forgetful, PitchKnower, speaker

RATE = 16_000


class Listener:
    """An `Extractor`: what it gives is the mixture times the loudest sample of the reference."""

    spec: ModelSpec = replace(
        GainModel((1,)).spec,
        stems=("target",),
        residual_stem="rest",
        sample_rate=RATE,
        num_channels=1,
        needs_reference=True,
    )

    def __call__(self, _mixture: Tensor) -> Tensor:
        raise ValueError("nobody was heard")

    def enrol(self, reference: Tensor) -> Model:
        return _Found(float(reference.abs().max()))


class _Found(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.spec = Listener.spec
        self.gain = gain

    def forward(self, mixture: Tensor) -> Tensor:
        return mixture[:, None] * self.gain


@pytest.fixture
def model(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in place of its weights."""
    monkeypatch.setattr("stemsplit.engine.load.build_network", lambda _member: Listener())
    path = workplace / "listener.th"
    torch.save({}, path)
    return path


def voice(path: Path, level: float, num_channels: int = 1, rate: int = RATE) -> Path:
    """A tone of a second and a half."""
    seconds = np.arange(rate * 3 // 2) / rate
    tone = np.tile(level * np.sin(2 * np.pi * 200 * seconds), (num_channels, 1))
    path.parent.mkdir(exist_ok=True)
    return write_sndfile(path, tone.astype(np.float32), sample_rate=rate, subtype="FLOAT")


@pytest.fixture
def talk(workplace: Path) -> Path:
    return voice(workplace / "talk.wav", 0.5, num_channels=2)


def peaks() -> dict[str, float]:
    files = Path("separated").rglob("*.wav")
    return {
        f"{path.parent.name}/{path.stem}": float(abs(soundfile.read(path)[0]).max())
        for path in files
    }


@pytest.mark.parametrize(("num_channels", "rate"), [(1, RATE), (2, 44_100), (6, 8000)])
def test_the_model_hears_the_reference_at_its_own_rate(
    stemsplit: Stemsplit, talk: Path, model: Path, num_channels: int, rate: int
) -> None:
    reference = voice(talk.parent / "voice.wav", 0.25, num_channels, rate)
    result = stemsplit(
        "extract", talk, "--reference", reference, "-m", model, "--residual", "--bit-depth", "32f"
    )
    assert result.exit_code == 0, result.stderr
    found = peaks()
    assert found == {
        "talk/target": pytest.approx(0.125, rel=0.01),
        "talk/rest": pytest.approx(0.375, rel=0.01),
    }


def test_another_reference_is_another_result_and_the_same_one_is_not(
    stemsplit: Stemsplit, talk: Path, model: Path
) -> None:
    command = ("extract", talk, "-m", model, "--json", "--reference")
    quiet, loud = (voice(talk.parent / f"{level}.wav", level) for level in (0.2, 0.8))
    for reference, skipped in ((quiet, 0), (quiet, 1), (loud, 0)):
        result = stemsplit(*command, reference)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout.splitlines()[-1])["skipped"] == skipped
    assert peaks() == {"talk/target": pytest.approx(0.4, rel=0.01)}
    (record,) = Path("separated").rglob("stemsplit.json")
    content = json.loads(record.read_text())
    assert content["input"]["reference"] == str(loud)
    assert len(content["fingerprint"]["reference_sha256"]) == 64


def test_each_input_has_the_reference_of_its_name(
    stemsplit: Stemsplit, workplace: Path, model: Path
) -> None:
    for name, level in (("one", 0.2), ("two", 0.4)):
        voice(workplace / "talks" / f"{name}.wav", 0.5)
        voice(workplace / "voices" / f"{name}.flac.wav", 0.9)  # called otherwise
        voice(workplace / "voices" / f"{name}.wav", level)
    voice(workplace / "talks" / "three.wav", 0.5)
    result = stemsplit("extract", "talks", "--reference", "voices", "-m", model)
    assert result.exit_code == 1
    assert "There is no reference for three in voices." in " ".join(result.stderr.split())
    assert peaks() == {
        "one/target": pytest.approx(0.1, rel=0.01),
        "two/target": pytest.approx(0.2, rel=0.01),
    }


def test_two_references_of_one_name_are_too_many(
    stemsplit: Stemsplit, talk: Path, model: Path
) -> None:
    for suffix in ("wav", "aiff"):
        voice(talk.parent / "voices" / f"talk.{suffix}", 0.4)
    result = stemsplit("extract", talk, "--reference", "voices", "-m", model)
    assert result.exit_code == 1
    assert "There are several references for talk in voices:" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("samples", "message"),
    [(0, "The reference voice.wav is empty."), (4000, "The reference voice.wav is silent.")],
)
def test_a_reference_without_a_voice_is_no_reference(
    stemsplit: Stemsplit, talk: Path, model: Path, samples: int, message: str
) -> None:
    reference = write_sndfile(
        talk.parent / "voice.wav", np.zeros((1, samples), dtype=np.float32), sample_rate=RATE
    )
    result = stemsplit("extract", talk, "--reference", reference, "-m", model)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert not Path("separated").exists()


def test_no_reference_and_a_missing_one(stemsplit: Stemsplit, talk: Path, model: Path) -> None:
    result = stemsplit("extract", talk, "-m", model)
    assert result.exit_code == 2
    assert "No reference of the wanted voice was named." in " ".join(result.stderr.split())
    result = stemsplit("extract", talk, "-m", model, "--reference", "nobody.wav")
    assert result.exit_code == 1
    assert "nobody.wav" in result.stderr


def test_a_dry_run_tells_how_long_it_takes(stemsplit: Stemsplit, talk: Path, model: Path) -> None:
    command = ("extract", talk, "-m", model, "--reference", voice(talk.parent / "v.wav", 0.5))
    result = stemsplit(*command, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "\tnew\t" in result.stdout


def test_only_extract_gives_a_model_its_reference(
    stemsplit: Stemsplit, talk: Path, model: Path
) -> None:
    result = stemsplit("separate", talk, "-m", model)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "listener finds one voice, which it has to hear first." in said
    assert "Use `stemsplit extract` with a --reference." in said


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_network_that_tells_speakers_apart_finds_the_one_of_the_reference(
    stemsplit: Stemsplit, workplace: Path, monkeypatch: pytest.MonkeyPatch, wanted: int
) -> None:
    both = [speaker(hz, 4 * RATE, RATE) for hz in PITCHES_HZ]
    monkeypatch.setattr("stemsplit.engine.load.build_network", lambda _: Forgetful(both, RATE))
    monkeypatch.setattr(
        "stemsplit.engine.speaker_selection.load_embedding", lambda _: PitchKnower()
    )
    torch.save({}, workplace / "speakers.th")
    write_sndfile(
        workplace / "talk.wav", (both[0] + both[1]).numpy(), sample_rate=RATE, subtype="FLOAT"
    )
    reference = speaker(PITCHES_HZ[wanted], 3 * 44_100, 44_100)
    write_sndfile(workplace / "voice.wav", reference.numpy(), sample_rate=44_100)
    result = stemsplit(
        *("extract", "talk.wav", "-m", "speakers.th", "--reference", "voice.wav", "--residual"),
        *("--bit-depth", "32f"),
    )
    assert result.exit_code == 0, result.stderr
    for stem, voice in (("target", both[wanted]), ("rest", both[1 - wanted])):
        (path,) = Path("separated").rglob(f"{stem}.wav")
        samples, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(samples, voice[0].numpy(), atol=1e-5)


def test_what_is_wrong_with_a_reference_is_said_and_recorded(
    stemsplit: Stemsplit, talk: Path, model: Path
) -> None:
    reference = voice(talk.parent / "voice.wav", 0.25)
    result = stemsplit("extract", talk, "--reference", reference, "-m", model)
    assert result.exit_code == 0, result.stderr
    said = "The reference voice.wav has only 1.5 s of a voice"
    assert said in " ".join(result.stderr.split())
    (record,) = Path("separated").rglob("stemsplit.json")
    assert any(said in warning for warning in json.loads(record.read_text())["warnings"])


def test_the_folder_of_a_training_of_spex_plus_is_a_model(
    stemsplit: Stemsplit, talk: Path, workplace: Path
) -> None:
    settings = SETTINGS["8k"]
    folder = workplace / "trained"
    folder.mkdir()
    tensors = published_tensors(settings)
    torch.save({"epoch": 3, "model_state_dict": tensors}, folder / "best.pt.tar")
    (folder / "mdl.json").write_text(json.dumps(settings))
    reference = voice(workplace / "voice.wav", 0.25)
    result = stemsplit("extract", talk, "--reference", reference, "-m", folder, "--residual")
    assert result.exit_code == 0, result.stderr
    assert {path.stem for path in Path("separated").rglob("*.wav")} == {"target", "rest"}
    for named in ("separate", "denoise"):
        assert stemsplit(named, talk, "-m", folder).exit_code == 2
